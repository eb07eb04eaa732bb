#pragma once

#include <string>

#include "support/conninfo.hpp"
#include "support/sync_connection.hpp"

namespace pgeist::test {

class private_server;

/// Tells the constructor of a replica from that of a copy.
struct replica_of {
    const private_server& primary;
};

/// A server of the test's own, made by scripts/pg.sh, for what cannot be done to the one that all tests share: stopping
/// and crashing it, replicas, promotion. Removed when destroyed.
class private_server {
public:
    /// Makes and starts one of this major version, with more settings: "name=value name=value". Throws
    /// std::runtime_error with what the script said.
    explicit private_server(int version, std::string more_settings = "");
    /// Makes a replica, streaming from `primary`, which is restarted for it.
    explicit private_server(const replica_of& whose);
    ~private_server();
    private_server(const private_server&) = delete;
    private_server& operator=(const private_server&) = delete;

    /// The superuser's address of database `postgres`.
    [[nodiscard]] const conninfo& address() const noexcept { return address_; }

    /// Stops it, data kept: `fast`, or `immediate`, which is a crash.
    void stop(const std::string& mode);
    /// Starts it again, on the same port.
    void start();

    /// Makes a replica the primary; returns when it accepts writes.
    void promote();

private:
    void stop() noexcept;
    std::string script(const std::string& arguments) const;

    int version_;
    std::string instance_;
    std::string more_settings_;
    conninfo address_;
};

/// The major version of the server that a session is on: for a private server of the same.
int server_major(sync_connection& session);

}  // namespace pgeist::test
