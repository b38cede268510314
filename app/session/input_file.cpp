#include "app/session/input_file.h"

#include "app/session/threads.h"
#include "capture/base/unique_fd.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

namespace natlens::session {
namespace {

using base::ErrorCode;

std::unexpected<base::Error> bad(const std::string &path, std::string what) {
    return base::fail(ErrorCode::invalidInput, std::move(what), {}, path);
}

std::unexpected<base::Error> badErrno(const std::string &path) {
    auto failure = base::failErrno("read", path);
    failure.error().code = ErrorCode::invalidInput;
    return failure;
}

/// What does not begin as JSON is read up to here, so that it can be said what it is.
constexpr std::size_t kAtOnce = std::size_t{1} << 20;
/// Of a whole file one thread reads this much, then the next thread does: large enough for huge pages.
constexpr std::size_t kPortion = std::size_t{2} << 20;

const std::string kTooLarge = "larger than 1 GiB, and that is the most that is read";

bool looksLikeJson(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
    return first == std::string_view::npos || text[first] == '{' || text[first] == '[';
}

/// Appends everything that comes. `isFifo`: opened without waiting for a writer, so one is given a moment to come.
base::Status readAll(int descriptor, const std::string &path, bool isFifo, std::string &text) {
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    for (;;) {
        if (text.size() > InputFile::kLargest) return bad(path, kTooLarge);
        const auto before = text.size();
        text.resize(before + kAtOnce);
        const auto got = ::read(descriptor, text.data() + before, kAtOnce);
        text.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (before == 0 && got == kAtOnce && !looksLikeJson(text)) return {};
        if (got > 0 || (got < 0 && errno == EINTR)) continue;
        if (got < 0 && errno == EAGAIN) { // someone has it open for writing
            pollfd waiting{descriptor, POLLIN, 0};
            ::poll(&waiting, 1, -1);
            isFifo = false;
            continue;
        }
        if (got < 0) return badErrno(path);
        if (!isFifo || !text.empty()) return {};
        if (std::chrono::steady_clock::now() > patience) return bad(path, "nobody writes into this FIFO");
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
}

} // namespace

base::Result<InputFile> InputFile::read(const std::string &path) {
    InputFile file;
    if (path == "-") {
        if (auto status = readAll(STDIN_FILENO, "standard input", false, file.m_portions); !status)
            return std::unexpected(status.error());
        return file;
    }
    // Not blocking, because a FIFO without a writer would block for ever.
    const base::UniqueFd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!opened) return badErrno(path);
    struct stat status {};
    if (::fstat(opened.get(), &status) != 0) return badErrno(path);
    if (S_ISDIR(status.st_mode)) return bad(path, "this is a folder; name a file");
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        if (auto done = readAll(opened.get(), path, S_ISFIFO(status.st_mode), file.m_portions); !done)
            return std::unexpected(done.error());
        return file;
    }
    const auto size = static_cast<std::size_t>(status.st_size);
    if (size > kLargest) return bad(path, kTooLarge);
    std::array<char, 4096> begin{};
    const auto got = ::pread(opened.get(), begin.data(), begin.size(), 0);
    const bool other = got > 0 && !looksLikeJson({begin.data(), static_cast<std::size_t>(got)});
    return readWhole(opened.get(), other ? std::min(size, kAtOnce) : size, path);
}

base::Result<InputFile> InputFile::readWhole(int descriptor, std::size_t size, const std::string &path) {
    InputFile file;
    void *const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return badErrno(path);
    file.m_memory = std::shared_ptr<const void>(memory, [size](void *mapped) { ::munmap(mapped, size); });
    file.m_whole = {static_cast<const char *>(memory), size};
    ::madvise(memory, size, MADV_HUGEPAGE); // a hint, and may fail

    const auto portions = (size + kPortion - 1) / kPortion;
    std::atomic<int> failed = 0;
    std::atomic<bool> shortened = false;
    inThreads(portions, [&](std::size_t portion) {
        const auto begin = portion * kPortion, end = std::min(size, begin + kPortion);
        for (auto at = begin; at < end && failed == 0 && !shortened;) {
            const auto got = ::pread(descriptor, static_cast<char *>(memory) + at, end - at, static_cast<off_t>(at));
            if (got > 0)
                at += static_cast<std::size_t>(got);
            else if (got == 0)
                shortened = true;
            else if (errno != EINTR)
                failed = errno;
        }
    });
    if (failed != 0) {
        errno = failed;
        return badErrno(path);
    }
    if (shortened) return bad(path, "became shorter while it was read; wait until it is written, and try again");
    return file;
}

} // namespace natlens::session
