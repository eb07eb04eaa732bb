#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "support/conninfo.hpp"
#include "support/socket.hpp"

namespace pgeist::test {

/// Stands between the program and the server, on a port of 127.0.0.1, and can go away as a network does.
class tcp_proxy {
public:
    /// Forwards to the host and port of `server`.
    explicit tcp_proxy(conninfo server);
    ~tcp_proxy();
    tcp_proxy(const tcp_proxy&) = delete;
    tcp_proxy& operator=(const tcp_proxy&) = delete;

    /// The same address, through the proxy.
    [[nodiscard]] conninfo through(const conninfo& address) const;

    /// Cuts every connection and refuses new ones, for good.
    void cut();

private:
    void forward(const std::stop_token& stop);
    void accept_one();
    void pump(std::size_t from, std::size_t to);

    conninfo server_;
    listener listener_;
    /// Pairs: client side at an even place, its server side behind it.
    std::vector<socket_handle> sockets_;
    socket_handle wake_;
    std::jthread thread_;
};

}  // namespace pgeist::test
