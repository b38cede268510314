#include "property/world.h"

namespace natlens::test {
namespace {

IpAddress ip(const char *text) { return IpAddress::parse(text).value(); }
IpPrefix prefix(const char *text) { return IpPrefix::parse(text).value(); }

IpAddress numbered(IpAddress base, unsigned number) {
    base.bytes[base.size() - 1] = static_cast<std::uint8_t>(number);
    return base;
}

const World kFour{.node = ip("192.168.0.2"),
                  .second = ip("192.168.99.11"),
                  .bridge = ip("10.1.1.1"),
                  .loopback = ip("127.0.0.1"),
                  .otherNode = ip("192.168.0.3"),
                  .pods = prefix("10.1.1.0/24"),
                  .otherPods = prefix("10.1.2.0/24"),
                  .clusterRange = prefix("10.1.0.0/16"),
                  .serviceRange = prefix("172.30.0.0/16"),
                  .unallocated = ip("172.30.7.7"),
                  .outsideBase = ip("203.0.113.0"),
                  .externalBase = ip("198.51.100.0"),
                  .loadBalancerBase = ip("1.2.3.0")};
const World kSix{.node = ip("fd00:192::2"),
                 .second = ip("fd00:99::11"),
                 .bridge = ip("fd00:10:1:1::1"),
                 .loopback = ip("::1"),
                 .otherNode = ip("fd00:192::3"),
                 .pods = prefix("fd00:10:1:1::/64"),
                 .otherPods = prefix("fd00:10:1:2::/64"),
                 .clusterRange = prefix("fd00:10:1::/48"),
                 .serviceRange = prefix("fd00:172:30::/112"),
                 .unallocated = ip("fd00:172:30::707"),
                 .outsideBase = ip("2001:db8:203::"),
                 .externalBase = ip("2001:db8:51::"),
                 .loadBalancerBase = ip("2001:db8:1::")};

} // namespace

const World &World::of(IpFamily family) { return family == IpFamily::v6 ? kSix : kFour; }

IpAddress World::pod(bool here, unsigned number) const { return numbered((here ? pods : otherPods).address, number); }
IpAddress World::outside(unsigned number) const { return numbered(outsideBase, number); }
IpAddress World::clusterIp(unsigned number) const { return numbered(serviceRange.address, number); }
IpAddress World::externalIp(unsigned number) const { return numbered(externalBase, number); }
IpAddress World::loadBalancerIp(unsigned number) const { return numbered(loadBalancerBase, number); }

bool World::isOwn(const IpAddress &address) const {
    return address == node || address == second || address == bridge || address.isLoopback();
}

IpAddress World::sourceTowards(const IpAddress &destination) const { return pods.contains(destination) ? bridge : node; }

std::vector<IpAddress> ownAddresses() {
    std::vector<IpAddress> all;
    for (const auto family : kFamilies) {
        const auto &world = World::of(family);
        all.insert(all.end(), {world.node, world.second, world.bridge});
    }
    return all;
}

} // namespace natlens::test
