#include "app/lab/namespaces.h"

#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

namespace natlens::lab {
namespace {

constexpr const char *kOwnNamespace = "/proc/thread-self/ns/net";

[[noreturn]] void lostNamespace(const char *where) {
    std::perror(where);
    std::abort();
}

} // namespace

base::Result<NetworkNamespace> NetworkNamespace::current(std::string name) {
    base::UniqueFd fd(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
    if (!fd) return base::failErrno("open", kOwnNamespace);
    return NetworkNamespace(std::move(fd), std::move(name));
}

base::Result<NetworkNamespace> NetworkNamespace::create(std::string name) {
    base::UniqueFd home(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC));
    if (!home) return base::failErrno("open", kOwnNamespace);
    if (::unshare(CLONE_NEWNET) != 0) return base::failErrno("unshare", "network namespace of " + name);
    auto made = current(std::move(name));
    if (::setns(home.get(), CLONE_NEWNET) != 0) lostNamespace("setns back");
    return made;
}

InNamespace::InNamespace(const NetworkNamespace &target) : m_home(::open(kOwnNamespace, O_RDONLY | O_CLOEXEC)) {
    if (!m_home) lostNamespace(kOwnNamespace);
    if (::setns(target.fd(), CLONE_NEWNET) != 0) lostNamespace("setns");
}

InNamespace::~InNamespace() {
    if (::setns(m_home.get(), CLONE_NEWNET) != 0) lostNamespace("setns back");
}

base::Status writeSysctl(const std::string &key, const std::string &value) {
    const std::string path = "/proc/sys/" + key;
    base::UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd) return base::failErrno("open", path);
    if (::write(fd.get(), value.data(), value.size()) < 0) return base::failErrno("write", path);
    return {};
}

} // namespace natlens::lab
