// Tests for each iptables that is installed.
#pragma once

#include "proxycore/kernel/iptables_program.h"
#include "proxycore/kernel/namespace_child.h"

#include <functional>
#include <string>

#include <QTest>

namespace natlens::proxycore::test {

/// Rows of a `_data` function: the column "backend" is an IptablesBackend.
inline void iptablesBackends() {
    QTest::addColumn<int>("backend");
    QTest::newRow("nft") << static_cast<int>(IptablesBackend::nft);
    QTest::newRow("legacy") << static_cast<int>(IptablesBackend::legacy);
}

/// In a network namespace of its own; `work` returns "" or what went wrong. Skips where that iptables is missing.
inline void inBackend(IptablesBackend backend, const std::function<std::string()> &work) {
    if (!IptablesProgram::open(backend)) QSKIP("this iptables is not installed");
    const auto result = natlens::test::inNamespace(work);
    if (!result.available) QSKIP("no unprivileged user namespaces");
    QVERIFY2(result.text.empty(), result.text.c_str());
}

} // namespace natlens::proxycore::test
