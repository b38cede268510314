// Network namespaces as values: made without a name, entered for the length of one call.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"

#include <functional>
#include <string>

namespace natlens::lab {

/// One network namespace. It lives as long as this object, a socket made in it, or an interface's packet in flight.
class NetworkNamespace final {
public:
    /// A fresh namespace with only `lo` (down). The calling thread stays where it is.
    [[nodiscard]] static base::Result<NetworkNamespace> create(std::string name);
    /// The calling thread's own.
    [[nodiscard]] static base::Result<NetworkNamespace> current(std::string name);

    [[nodiscard]] int fd() const { return m_fd.get(); }
    [[nodiscard]] const std::string &name() const { return m_name; }

private:
    NetworkNamespace(base::UniqueFd fd, std::string name) : m_fd(std::move(fd)), m_name(std::move(name)) {}
    base::UniqueFd m_fd;
    std::string m_name;
};

/// Puts the calling thread into a namespace until the guard dies. Sockets opened meanwhile belong to that namespace for
/// good. A thread that cannot be put back would act in the wrong place, so that aborts the process.
class InNamespace final {
public:
    explicit InNamespace(const NetworkNamespace &target);
    ~InNamespace();
    InNamespace(const InNamespace &) = delete;
    InNamespace &operator=(const InNamespace &) = delete;

private:
    base::UniqueFd m_home;
};

/// Writes a sysctl of the calling thread's network namespace, e.g. ("net/ipv4/ip_forward", "1").
[[nodiscard]] base::Status writeSysctl(const std::string &key, const std::string &value);

} // namespace natlens::lab
