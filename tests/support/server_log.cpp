#include "support/server_log.hpp"

namespace pgeist::test {
namespace {

constexpr const char* log_file = "/proc/self/fd/2";

}  // namespace

server_log::server_log(sync_connection& connection)
    : connection_(&connection), begin_(connection.number("SELECT size FROM pg_stat_file($1)", {log_file})) {}

std::string server_log::since() {
    return connection_->scalar(
        "SELECT convert_from(pg_read_binary_file($1, $2::bigint, size - $2::bigint), 'SQL_ASCII') FROM "
        "pg_stat_file($1)",
        {log_file, std::to_string(begin_)});
}

}  // namespace pgeist::test
