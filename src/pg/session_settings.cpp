#include "pgeist/pg/session_settings.hpp"

#include <utility>

#include <fmt/format.h>

#include "pgeist/core/identifier.hpp"

namespace pgeist::pg {

namespace {

struct setting {
    const char* name;
    const char* value;
    int since;  ///< first server version that has it
};

constexpr setting settings[] = {
    {"statement_timeout", "0", 0},
    {"lock_timeout", "0", 0},
    // A program that is stopped or cut off must not keep a snapshot and locks for ever; ours never pauses that long.
    {"idle_in_transaction_session_timeout", "60s", 0},
    // The server notices within a minute and a half that our host is gone, and gives up our advisory locks.
    {"tcp_keepalives_idle", "30", 0},
    {"tcp_keepalives_interval", "10", 0},
    {"tcp_keepalives_count", "6", 0},
    {"tcp_user_timeout", "90s", 0},
    {"idle_session_timeout", "0", 140000},
    {"transaction_timeout", "0", 170000},
    {"default_transaction_read_only", "off", 0},
    {"default_transaction_isolation", "read committed", 0},
    {"default_transaction_deferrable", "off", 0},
    {"default_tablespace", "", 0},
    {"default_table_access_method", "heap", 0},  // of tables of ours, which get UPDATE and DELETE
    {"gin_fuzzy_search_limit", "0", 0},
    {"row_security", "off", 0},           // an error instead of silently missing rows
    {"quote_all_identifiers", "off", 0},  // definitions read back must compare equal
    {"check_function_bodies", "on", 0},
    {"standard_conforming_strings", "on", 0},
    {"client_min_messages", "notice", 0},
    {"jit", "off", 0},  // chunk statements are short; compiling them costs more than it saves
};

}  // namespace

std::string session_settings_sql(int server_version, std::string_view application_name) {
    // On their own first, by statements that look up no name: a role may have a statement_timeout that even the rest
    // does not keep, and a search_path where somebody's function, operator or type stands in for the one meant.
    std::string sql = fmt::format(
        "SET statement_timeout TO 0; SET search_path TO pg_catalog; SELECT pg_catalog.set_config("
        "'application_name', {}, false)",
        quote_literal(application_name));
    for (const setting& each : settings) {
        if (server_version >= each.since) {
            sql += fmt::format(", pg_catalog.set_config('{}', '{}', false)", each.name, each.value);
        }
    }
    // The statement of a program that was killed ends soon. Not every system under a server can look for that.
    return sql +
           ", CASE WHEN pg_catalog.strpos(pg_catalog.version(), 'linux') OPERATOR(pg_catalog.>) 0 THEN "
           "pg_catalog.set_config('client_connection_check_interval', '5s', false) END, "
           // Nobody has looked at what is in there: as UTF-8 it might not come through, so it is passed on as it is.
           "CASE WHEN pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'SQL_ASCII' THEN "
           "pg_catalog.set_config('client_encoding', 'SQL_ASCII', false) END";
}

}  // namespace pgeist::pg
