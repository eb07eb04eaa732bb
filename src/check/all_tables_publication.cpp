#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* publications_sql = R"(
    SELECT (SELECT string_agg(quote_ident(pubname), ', ' ORDER BY pubname) FROM pg_publication WHERE puballtables) AS names,
           EXISTS (SELECT FROM pg_replication_slots WHERE database = current_database() AND slot_type = 'logical') AS live)";

}  // namespace

/// The shadow would be published too: each row a second time, for a table that the subscribers do not have.
awaitable<void> check_all_tables_publication(const subject& what, findings& into) {
    const auto rows = co_await what.conn.query(publications_sql);
    if (rows.is_null(0, 0)) {
        co_return;
    }
    const std::string names = rows.text(0, "names");
    if (rows.boolean(0, "live")) {
        refuse(into, "all_tables_publication",
               fmt::format(
                   "publication {} is FOR ALL TABLES and has subscribers: they would get every row of the copy, for a "
                   "table that they do not have",
                   names),
               "publish the tables by name, or drop the subscription for the time of the run");
    } else {
        warn(into, "all_tables_publication",
             fmt::format(
                 "publication {} is FOR ALL TABLES: a subscriber that connects during the run would get every row of "
                 "the copy",
                 names));
    }
}

}  // namespace pgeist::check
