#include "app/lab/datapath.h"

#include "app/lab/engine_datapath.h"
#include "proxycore/kernel/iptables_applier.h"
#include "proxycore/kernel/nftables.h"

namespace natlens::lab {
namespace {

using proxycore::IptablesApplier;
using proxycore::IptablesBackend;

class NftablesDatapath final : public Datapath {
public:
    base::Status apply(const proxycore::ProxyPlan &plan) override { return m_applier.apply(plan); }
    base::Result<std::vector<proxycore::Drift>> drift(const proxycore::ProxyPlan &plan) override {
        return m_applier.drift(plan);
    }
    base::Result<std::vector<proxycore::Drift>> mend(const proxycore::ProxyPlan &plan) override {
        return m_applier.mend(plan);
    }
    base::Status installTrace() override { return m_applier.installTrace(); }
    Refused refused() const override {
        const auto &statistics = m_applier.statistics();
        return {.syncs = statistics.failed, .partial = 0, .cleanUps = statistics.cleanUpFailed};
    }

private:
    proxycore::NftablesApplier m_applier;
};

class IptablesDatapath final : public Datapath {
public:
    IptablesDatapath(IptablesApplier applier, LabHost &node) : m_applier(std::move(applier)), m_node(node) {}

    base::Status apply(const proxycore::ProxyPlan &plan) override {
        if (plan.localhostNodePorts && !m_localnetRouted) {
            // As kube-proxy: packets with a loopback source may leave, so that node ports work on 127.0.0.1.
            InNamespace inside(m_node.nameSpace);
            if (auto status = writeSysctl("net/ipv4/conf/all/route_localnet", "1"); !status) return status;
            m_localnetRouted = true;
        }
        return m_applier.apply(plan);
    }
    base::Result<std::vector<proxycore::Drift>> drift(const proxycore::ProxyPlan &plan) override {
        return m_applier.drift(plan);
    }
    base::Result<std::vector<proxycore::Drift>> mend(const proxycore::ProxyPlan &plan) override {
        return m_applier.mend(plan);
    }
    Refused refused() const override {
        const auto &statistics = m_applier.statistics();
        return {.syncs = statistics.failed, .partial = statistics.partialFailed, .cleanUps = 0};
    }
    proxycore::ProxyMetrics::Packets packets() override {
        const auto dropped = m_applier.invalidDropped();
        return {.invalidDropped = dropped ? std::optional(*dropped) : std::nullopt, .localhostNodePorts = {}};
    }
    /// The mark that makes the kernel tell is set by a table of our own; the rules told are those of iptables-nft. The
    /// legacy rules live outside nf_tables and tell nothing.
    base::Status installTrace() override { return m_trace.installTrace(); }

private:
    IptablesApplier m_applier;
    LabHost &m_node;
    proxycore::NftablesApplier m_trace;
    bool m_localnetRouted = false;
};

} // namespace

base::Result<std::unique_ptr<Datapath>> makeDatapath(DatapathKind kind, const DatapathPlace &place) {
    if (kind == DatapathKind::engine) return EngineDatapath::open(place);
    if (kind == DatapathKind::nftables) return std::make_unique<NftablesDatapath>();
    auto applier = IptablesApplier::open(IptablesBackend::nft);
    if (!applier) applier = IptablesApplier::open(IptablesBackend::installed);
    if (!applier) return std::unexpected(applier.error());
    return std::make_unique<IptablesDatapath>(std::move(*applier), place.node);
}

} // namespace natlens::lab
