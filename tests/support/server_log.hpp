#pragma once

#include <string>

#include "support/sync_connection.hpp"

namespace pgeist::test {

/// What the server writes into its log, when that is a file: read through a superuser's connection, from the server
/// process's own standard error.
class server_log {
public:
    /// Remembers where the log ends now. The connection must outlive this.
    explicit server_log(sync_connection& connection);

    /// The lines written since by sessions of the same database.
    std::string since();

private:
    sync_connection* connection_;
    long long begin_;
};

}  // namespace pgeist::test
