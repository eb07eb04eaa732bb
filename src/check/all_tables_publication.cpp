#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* all_tables_publication_check = "all_tables_publication";

// The slot that REPACK (CONCURRENTLY) reads a table's changes by is no subscriber's.
constexpr const char* publications_sql = R"(
    SELECT (SELECT string_agg(quote_ident(pubname), ', ' ORDER BY pubname) FROM pg_publication WHERE puballtables) AS tables,
           (SELECT string_agg(quote_ident(pubname), ', ' ORDER BY pubname) FROM pg_publication WHERE {}) AS sequences,
           EXISTS (SELECT FROM pg_replication_slots WHERE database = current_database() AND slot_type = 'logical'
                      AND NOT (temporary AND plugin = 'pgrepack')) AS live)";

/// The shadow would be published too: each row a second time, for a table that the subscribers do not have.
void judge_tables(const std::string& publications, bool live, findings& into) {
    if (live) {
        refuse(into, all_tables_publication_check,
               fmt::format(
                   "publication {} is FOR ALL TABLES and has subscribers: they would get every row of the copy, for a "
                   "table that they do not have",
                   publications),
               "publish the tables by name, or drop the subscription for the time of the run");
    } else {
        warn(into, all_tables_publication_check,
             fmt::format(
                 "publication {} is FOR ALL TABLES: a subscriber that connects during the run would get every row of "
                 "the copy",
                 publications));
    }
}

/// So are the sequences of pgeist's own tables, and of the shadow: who subscribes, or refreshes his subscription, is
/// told that schema "pgeist" does not exist.
void judge_sequences(const std::string& publications, bool live, findings& into) {
    if (live) {
        refuse(into, all_tables_publication_check,
               fmt::format("publication {} is FOR ALL SEQUENCES and has subscribers: they could not refresh their "
                           "subscription while sequences of pgeist's are in it",
                           publications),
               "publish the tables alone, or drop the subscription for the time of the run");
    } else {
        warn(into, all_tables_publication_check,
             fmt::format("publication {} is FOR ALL SEQUENCES: nobody can subscribe to it before the run is over and "
                         "cleaned up after",
                         publications),
             "then run: pgeist cleanup");
    }
}

bool may_change_type(const plan::change_request& change) { return !change.alters.empty(); }

/// A subscriber's sequence of another type is synchronised no more.
void judge_types(const subject& what, const std::string& publications, findings& into) {
    if (what.source == nullptr || !may_change_type(what.change)) {
        return;
    }
    for (const auto& each : what.source->sequences) {
        warn(into, all_tables_publication_check,
             fmt::format("publication {} publishes {}: if its type changes, the subscriber's must be changed too",
                         publications, each.name.display()),
             fmt::format("there: ALTER SEQUENCE {} AS bigint", each.name.display()));
    }
}

}  // namespace

awaitable<void> check_all_tables_publication(const subject& what, findings& into) {
    std::string sql = fmt::format(publications_sql, what.conn.server_major() >= 19 ? "puballsequences" : "false");
    const auto rows = co_await what.conn.query(std::move(sql));
    const bool live = rows.boolean(0, "live");
    if (const auto tables = rows.optional_text(0, "tables")) {
        judge_tables(*tables, live, into);
    }
    if (const auto sequences = rows.optional_text(0, "sequences")) {
        judge_sequences(*sequences, live, into);
        judge_types(what, *sequences, into);
    }
}

}  // namespace pgeist::check
