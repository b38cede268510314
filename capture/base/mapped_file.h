// A file as memory, without the signal that ends a program when the file is shortened meanwhile.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>

namespace natlens::base {

/// The first bytes of a file, mapped and not copied: of a large file only what is looked at is brought into memory, and
/// no fresh memory is needed, which a virtual machine may have to ask its host for.
///
/// What is written into the file meanwhile may be seen; who reads must not rely on seeing the same twice. When the file
/// is shortened, or its device fails, what is not there any more reads as zeros, and damaged() says so. The first
/// mapping installs a handler for SIGBUS, which passes on what does not concern a mapping.
///
/// Copies share the mapping. Any thread may read.
class MappedFile final {
public:
    /// Nothing when the file cannot be mapped: an empty one, one of some special file systems, or too many at once.
    [[nodiscard]] static std::optional<MappedFile> map(int descriptor, std::size_t size);

    [[nodiscard]] std::string_view text() const;
    /// Whether some of what was read was not there.
    [[nodiscard]] bool damaged() const;
    /// Brings a part of it into reach ahead of its reading.
    void prepare(std::size_t offset, std::size_t size) const;

private:
    class Mapping;
    explicit MappedFile(std::shared_ptr<Mapping> mapping)
        : m_mapping(std::move(mapping)) {}

    std::shared_ptr<Mapping> m_mapping;
};

} // namespace natlens::base
