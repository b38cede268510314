// Replays a corpus without libFuzzer: every file of the folders named on the command line, and each cut in half.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

int main(int argc, char **argv) {
    std::size_t files = 0;
    for (int i = 1; i < argc; ++i) {
        std::error_code error;
        for (const auto &entry : std::filesystem::directory_iterator(argv[i], error)) {
            std::ifstream in(entry.path(), std::ios::binary);
            const std::vector<char> bytes{std::istreambuf_iterator<char>(in), {}};
            const auto *data = reinterpret_cast<const std::uint8_t *>(bytes.data());
            LLVMFuzzerTestOneInput(data, bytes.size());
            LLVMFuzzerTestOneInput(data, bytes.size() / 2);
            ++files;
        }
    }
    std::printf("%zu inputs replayed\n", files);
    return files == 0 ? 1 : 0; // an empty corpus tests nothing
}
