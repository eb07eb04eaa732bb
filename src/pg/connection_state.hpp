#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <libpq-fe.h>

#include "pgeist/pg/connection.hpp"

namespace pgeist::pg {

/// Why waiting for the server ended early.
enum class interruption { none, timed_out, cancelled };

/// The libpq connection and its place in Asio. Shared with the watchdog's timer handler, which may outlive the
/// connection object.
struct connection::state : std::enable_shared_from_this<connection::state> {
    state(asio::any_io_executor executor, connect_options opts);
    ~state();
    state(const state&) = delete;
    state& operator=(const state&) = delete;

    /// Runs PQconnectPoll to its end. @throws sql_error
    awaitable<void> connect(deadline until);
    /// Flushes what PQsend… queued and collects results until libpq has no more.
    awaitable<interruption> drive(deadline until);
    /// Brings an operation that was interrupted to its end, so that the session can be used again; when that takes
    /// longer than `longest`, it is broken. To be awaited shielded. `gives_up`: the server is asked to cancel it.
    awaitable<void> end(bool gives_up, std::chrono::milliseconds longest);

    [[nodiscard]] diagnostics diagnostics_of(const PGresult* failed) const;
    [[nodiscard]] std::string last_error() const;
    void clear_results();
    /// libpq closes a lost socket by itself. Asio has to forget it at once: the next connection gets the same number,
    /// and forgetting it later would take away that one's registration. To be called after every libpq call that reads
    /// or writes, before anything is awaited.
    void forget_lost_socket();

    asio::any_io_executor executor;
    connect_options options;
    PGconn* pg = nullptr;
    int backend_pid = 0;        ///< kept: libpq forgets it with the connection
    std::string backend_start;  ///< seconds since 1970
    std::optional<std::chrono::milliseconds> answer_time;
    asio::posix::stream_descriptor socket;
    asio::steady_timer timer;
    std::vector<notice> notices;
    std::map<std::string, std::string> prepared;  ///< names of statements by their text
    bool keeps_plans = false;
    session_profile profile;

    PGresult* rows = nullptr;    ///< the last successful result of the operation
    PGresult* failed = nullptr;  ///< the first failed one
    int results = 0;             ///< successful ones of the operation
    bool busy = false;
    bool broken = false;
    bool deadline_passed = false;
    unsigned watch = 0;  ///< which operation the timer belongs to

private:
    /// Asks the server, over a second session, to cancel what this one runs. Failure to do so is not an error here:
    /// the drain that follows finds out. The second session honours the same TLS settings, which PQcancel does not.
    awaitable<void> cancel_on_server();
    awaitable<interruption> wait(asio::posix::stream_descriptor::wait_type direction);
    awaitable<interruption> flush();
    awaitable<interruption> wait_to_flush();
    bool keep(PGresult* result);
    void arm(deadline until);
    void disarm();
};

}  // namespace pgeist::pg
