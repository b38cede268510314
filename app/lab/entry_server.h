// The door for `natlens lab exec`: hands the namespaces of a host to programs of the same user.
#pragma once

#include "capture/base/result.h"
#include "capture/base/unique_fd.h"

#include <functional>
#include <string>
#include <vector>

namespace natlens::lab {

/// Listens on the abstract Unix socket "natlens-lab-<uid>-<pid>" (no file to leave behind; it vanishes with the lab).
/// Each connection sends {"command":"enter","host":NAME} and gets {"ok":true} with the user, mount, PID and network
/// namespace as descriptors (SCM_RIGHTS), or {"ok":false,"message":...,"hosts":[...]}. Other users are turned away.
class EntryServer final {
public:
    /// Must be called before the lab enters its own namespaces: abstract sockets belong to a network namespace.
    [[nodiscard]] static base::Result<EntryServer> open();

    [[nodiscard]] int fd() const { return m_fd.get(); }
    /// Serves the callers that wait. `namespaceOf` gives a host's network namespace descriptor, or -1.
    void serve(const std::function<int(const std::string &host)> &namespaceOf, const std::vector<std::string> &hosts);

private:
    explicit EntryServer(base::UniqueFd fd) : m_fd(std::move(fd)) {}
    base::UniqueFd m_fd;
};

} // namespace natlens::lab
