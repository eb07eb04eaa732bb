#include "support/server_log.hpp"

namespace pgeist::test {
namespace {

constexpr const char* log_file = "/proc/self/fd/2";

}  // namespace

server_log::server_log(sync_connection& connection)
    : connection_(&connection), begin_(connection.number("SELECT size FROM pg_stat_file($1)", {log_file})) {}

std::string server_log::since() {
    // Other tests write into the same log: `user@database` in each line's prefix tells whose it is.
    return connection_->scalar(
        "SELECT coalesce(string_agg(line, E'\\n'), '') FROM pg_stat_file($1) AS f, regexp_split_to_table(convert_from("
        "pg_read_binary_file($1, $2::bigint, f.size - $2::bigint), 'SQL_ASCII'), E'\\n') AS line "
        "WHERE strpos(line, '@' || current_database() || ' ') > 0",
        {log_file, std::to_string(begin_)});
}

}  // namespace pgeist::test
