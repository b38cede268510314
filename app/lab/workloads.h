// What scenarios start beside the pods' servers: clients that keep their sockets, proxies, servers that answer oddly.
#pragma once

#include "app/lab/host_action.h"
#include "app/lab/reactor.h"
#include "app/lab/topology.h"

#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

namespace natlens::lab {

/// Lives on the lab's thread.
class Workloads final {
public:
    using Done = std::function<void()>;

    explicit Workloads(Reactor &reactor)
        : m_reactor(reactor) {}
    ~Workloads();

    void datagrams(const LabHost &host, const DatagramsAction &action, Done done);
    void connect(const LabHost &host, const ConnectAction &action, Done done);
    void disconnect(const std::string &name);
    [[nodiscard]] base::Status startProxy(const LabHost &host, const ProxyAction &action);
    [[nodiscard]] base::Status startUdpServer(const LabHost &host, const UdpServerAction &action);

private:
    struct Client; ///< one UDP or TCP socket of a client
    struct Proxy;
    struct Relay;
    void sendDatagrams(const std::shared_ptr<Client> &client, const DatagramsAction &action, unsigned sent, Done done);
    void accept(Proxy &proxy);
    void toServer(const std::shared_ptr<Relay> &relay);
    void toClient(const std::shared_ptr<Relay> &relay);
    void end(const std::shared_ptr<Relay> &relay);

    Reactor &m_reactor;
    std::map<std::string, std::shared_ptr<Client>> m_clients; ///< by name
    std::list<std::shared_ptr<Proxy>> m_proxies;
    std::list<std::shared_ptr<Relay>> m_relays;
    std::list<base::UniqueFd> m_servers;
};

} // namespace natlens::lab
