#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "support/conninfo.hpp"
#include "support/socket.hpp"

namespace pgeist::test {

/// What happens to a message of the program that an ambush was laid for.
enum class fate {
    request_lost,  ///< it never arrives: the connection is cut before
    answer_lost,   ///< the server does what it asks, and the connection is cut before the answer arrives
    held,          ///< it waits, and its connection with it, until release()
};

/// A message to wait for: the first that contains `text`, on a connection where a message with `after` has gone by.
struct ambush {
    std::string after;  ///< empty: any connection
    std::string text;
    fate what = fate::request_lost;
};

/// Stands between the program and the server, on a port of 127.0.0.1, and does what networks do. Looks into messages
/// only as far as plain text in one piece; test servers speak without TLS.
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

    /// Cuts every connection there is; new ones are served.
    void drop_all();
    /// Tells the program's side only that its connections are closed: the server's sessions live on.
    void half_close_all();
    /// Refuses new connections (true), or serves them again.
    void refuse(bool refusing);
    /// Forwards nothing any more and cuts nothing (true), as when a cable is out, or goes on.
    void stall(bool stalled);
    /// Lets each piece of traffic wait that long.
    void delay(std::chrono::milliseconds time);
    /// Leads new connections elsewhere.
    void lead_to(const conninfo& server);

    /// Lies in wait for one message.
    void lay(ambush wanted);
    /// Waits until it has come and its fate is done. Throws wait_failed.
    void wait_for_ambush();
    /// True when it has come.
    bool sprung();
    /// Lets the message that is held go on.
    void release();

private:
    struct link {
        socket_handle client;
        socket_handle server;
        bool prepared = false;     ///< a message with ambush::after has gone by
        bool drop_answer = false;  ///< the next answer is thrown away, and the connection with it
        std::optional<std::string> held;
    };

    void forward(const std::stop_token& stop);
    void accept_one();
    void from_client(link& each);
    void from_server(link& each);
    void wake() const;

    conninfo server_;
    listener listener_;
    socket_handle wake_;
    std::mutex mutex_;  ///< of all that follows
    std::vector<link> links_;
    std::optional<ambush> ambush_;
    bool sprung_ = false;
    bool refusing_ = false;
    bool stalled_ = false;
    std::chrono::milliseconds delay_{0};
    std::jthread thread_;
};

}  // namespace pgeist::test
