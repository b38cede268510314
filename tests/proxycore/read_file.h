// Test data by name.
#pragma once

#include <fstream>
#include <sstream>
#include <string>

namespace natlens::test {

/// The text of tests/data/NAME; "" when it cannot be read.
inline std::string dataFile(const std::string &name) {
    std::ifstream file(std::string(NATLENS_TEST_DATA) + "/" + name);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

} // namespace natlens::test
