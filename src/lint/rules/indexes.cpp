// Indexes that are made, dropped and rebuilt.

#include <fmt/format.h>

#include "../rule.hpp"

namespace pgeist::lint {

namespace {

using ddl::object_kind;
using ddl::statement_kind;

void creation(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::create_index && !on.what.concurrently && on.builds(on.does) &&
        !on.does.needless) {
        to.add("require-concurrent-index-creation", on.block_level(on.does),
               fmt::format("index {} is built{}", joined(on.does.builds), on.waiting(on.does)),
               {with_concurrently(on.what.text, "index") + "; -- outside of a transaction"});
    }
}

void deletion(const subject& on, reporter& to) {
    if (on.what.kind != statement_kind::drop || on.what.object != object_kind::index || on.what.concurrently ||
        on.does.needless || on.blocking(on.does).empty()) {
        return;
    }
    to.add("require-concurrent-index-deletion", level::warning,
           "DROP INDEX waits for everybody who uses the table, and everybody else waits behind it",
           {with_concurrently(on.what.text, "index") + "; -- outside of a transaction"});
}

void reindex(const subject& on, reporter& to) {
    if (on.what.kind != statement_kind::reindex || on.what.concurrently || !on.builds(on.does)) {
        return;
    }
    const char* const word = on.what.object == object_kind::index   ? "index"
                             : on.what.object == object_kind::table ? "table"
                                                                    : "database";
    to.add(
        "require-concurrent-reindex", on.block_level(on.does),
        fmt::format("{} built again{}", on.does.builds.size() > 1 ? "indexes are" : "an index is", on.waiting(on.does)),
        {with_concurrently(on.what.text, word) + "; -- outside of a transaction"});
}

void if_not_exists(const subject& on, reporter& to) {
    if (on.what.kind == statement_kind::create_index && on.what.concurrently && on.what.if_not_exists) {
        to.add("concurrently-if-not-exists", level::warning,
               "an earlier attempt that failed leaves an invalid index of this name; IF NOT EXISTS then calls that a "
               "success and builds "
               "nothing",
               {"SELECT indexrelid::regclass FROM pg_index WHERE NOT indisvalid; -- before each try",
                "DROP INDEX CONCURRENTLY what is invalid, or REINDEX INDEX CONCURRENTLY it, then CREATE INDEX "
                "CONCURRENTLY without IF NOT "
                "EXISTS"});
    }
}

void broken_version(const subject& on, reporter& to) {
    const probe::server_version& server = on.options.server;
    const bool builds = on.what.kind == statement_kind::create_index || on.what.kind == statement_kind::reindex;
    if (server.major == 14 && server.minor >= 0 && server.minor <= 3 && builds && on.what.concurrently) {
        to.add("cic-version-bug", level::error,
               fmt::format("PostgreSQL 14.{} can build a corrupt index CONCURRENTLY: rows may be missing in it",
                           server.minor),
               {"update to 14.4 or later first; REINDEX what was built before"});
    }
}

}  // namespace

const std::vector<rule>& index_rules() {
    static const std::vector<rule> rules{
        {{"require-concurrent-index-creation", level::error,
          "CREATE INDEX without CONCURRENTLY stops writes until it is built.",
          "It takes SHARE on the table (and on all partitions at once). On a table of some size that is minutes.",
          "CREATE INDEX CONCURRENTLY, outside of a transaction. It fails more easily: look for an invalid index "
          "afterwards. On a "
          "partitioned table: ON ONLY the parent, CONCURRENTLY on each partition, ALTER INDEX … ATTACH PARTITION."},
         creation},
        {{"require-concurrent-index-deletion", level::warning,
          "DROP INDEX without CONCURRENTLY locks the table against everybody.",
          "It takes ACCESS EXCLUSIVE on the table. That is short, but it waits for the longest query on it, and all "
          "others wait behind.",
          "DROP INDEX CONCURRENTLY, outside of a transaction; or a short lock_timeout and several tries."},
         deletion},
        {{"require-concurrent-reindex", level::error,
          "REINDEX without CONCURRENTLY stops writes, and readers that plan with the index.",
          "It takes SHARE on the table and ACCESS EXCLUSIVE on the index; planning a query needs every index of its "
          "tables.",
          "REINDEX … CONCURRENTLY; or `pgeist run --repack`."},
         reindex},
        {{"concurrently-if-not-exists", level::warning,
          "CREATE INDEX CONCURRENTLY IF NOT EXISTS takes an invalid index for success.",
          "A build that fails (a deadlock, a timeout, a duplicate) leaves the index behind, invalid: it is kept up to "
          "date, a unique one "
          "even goes on refusing rows, but no query uses it. A second run with IF NOT EXISTS does nothing and "
          "succeeds.",
          "Leave IF NOT EXISTS out, and drop what is invalid before a retry."},
         if_not_exists},
        {{"cic-version-bug", level::error, "PostgreSQL 14.0 to 14.3 can build corrupt indexes CONCURRENTLY.",
          "CREATE INDEX CONCURRENTLY and REINDEX CONCURRENTLY of these versions can miss rows that change meanwhile. "
          "Told with --server "
          "14.0 to 14.3.",
          "Update to 14.4 or later before."},
         broken_version},
    };
    return rules;
}

}  // namespace pgeist::lint
