#include "app/session/input_file.h"

#include "app/session/threads.h"
#include "capture/base/unique_fd.h"
#include "proxycore/rules/node_rules.h"

#include <cerrno>
#include <chrono>
#include <fcntl.h>
#include <poll.h>
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

/// What one thread makes ready at a time.
constexpr std::size_t kPortion = std::size_t{8} << 20;

const std::string kTooLarge = "larger than 1 GiB, and that is the most that is read";

bool looksReadable(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n\xef\xbb\xbf");
    if (first == std::string_view::npos || text[first] == '{' || text[first] == '[') return true;
    return proxycore::rulesFormatOf(text) != proxycore::RulesFormat::none;
}

/// Appends everything that comes. `isFifo`: opened without waiting for a writer, so one is given a moment to come.
base::Status readAll(int descriptor, const std::string &path, bool isFifo, std::string &text) {
    constexpr std::size_t kAtOnce = std::size_t{1} << 20;
    const auto patience = std::chrono::steady_clock::now() + std::chrono::seconds(2);
    for (;;) {
        if (text.size() > InputFile::kLargest) return bad(path, kTooLarge);
        const auto before = text.size();
        text.resize(before + kAtOnce);
        const auto got = ::read(descriptor, text.data() + before, kAtOnce);
        text.resize(before + (got > 0 ? static_cast<std::size_t>(got) : 0));
        if (before == 0 && got == kAtOnce && !looksReadable(text)) return {};
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
    file.m_path = path;
    if (path == "-") {
        if (auto status = readAll(STDIN_FILENO, "standard input", false, file.m_copy); !status)
            return std::unexpected(status.error());
        return file;
    }
    // Not blocking, because a FIFO without a writer would block for ever.
    const base::UniqueFd opened(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!opened) return badErrno(path);
    struct stat status {};
    if (::fstat(opened.get(), &status) != 0) return badErrno(path);
    if (S_ISDIR(status.st_mode)) return bad(path, "this is a folder; name a file");
    if (S_ISREG(status.st_mode)) {
        const auto size = static_cast<std::size_t>(status.st_size);
        if (size > kLargest) return bad(path, kTooLarge);
        file.m_mapped = base::MappedFile::map(opened.get(), size);
        if (file.m_mapped) {
            // A page fault for each sixteen pages costs more than bringing them into reach all at once.
            if (size < kLargest / 4)
                inThreads((size + kPortion - 1) / kPortion,
                          [&](std::size_t portion) { file.m_mapped->prepare(portion * kPortion, kPortion); });
            return file;
        }
    }
    if (auto done = readAll(opened.get(), path, S_ISFIFO(status.st_mode), file.m_copy); !done)
        return std::unexpected(done.error());
    return file;
}

base::Status InputFile::wasWhole() const {
    if (m_mapped && m_mapped->damaged())
        return bad(m_path, "became shorter while it was read; wait until it is written, and try again");
    return {};
}

} // namespace natlens::session
