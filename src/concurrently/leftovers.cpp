#include "leftovers.hpp"

namespace pgeist::concurrently {

namespace {

// Of one that was never seen at work only the name is known: then it must be one that was not there before.
constexpr const char* created_sql = R"sql(
    WITH mine AS (
        SELECT i.* FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE i.indrelid = $1::bigint::oid AND i.indexrelid::bigint::text <> ALL ($2::text[])
           AND CASE WHEN $3::bigint <> 0 THEN i.indexrelid = $3::bigint::oid ELSE n.nspname = $4 AND c.relname = $5 END)
    SELECT indexrelid FROM mine
     WHERE NOT indisvalid
        OR ($6::boolean AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = indexrelid)
            AND NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhrelid = indexrelid)))sql";

// REINDEX CONCURRENTLY makes NAME_ccnew (or NAME_ccnew1, where that is taken), exchanges names, and what was the index
// is NAME_ccold until it is dropped. The first is known when it was seen at work, else by its name, what it is an index
// of, and that it was not there before; the second by its OID.
constexpr const char* reindexed_sql = R"sql(
    WITH invalid AS (
        SELECT i.*, c.relname, regexp_replace(c.relname, '_cc(new|old)[0-9]*$', '') AS stem,
               substring(c.relname FROM '_(ccnew|ccold)[0-9]*$') AS suffix
          FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
         WHERE i.indrelid = $1::bigint::oid AND NOT i.indisvalid)
    SELECT i.indexrelid FROM invalid i
     WHERE (i.stem = $5 OR (starts_with($5, i.stem) AND octet_length(i.relname) >= 60)) -- shortened to 63 bytes
       AND CASE WHEN i.indexrelid = $3::bigint::oid THEN i.suffix = 'ccold'
                WHEN $4::bigint <> 0 THEN i.indexrelid = $4::bigint::oid AND i.suffix = 'ccnew'
                ELSE i.indexrelid::bigint::text <> ALL ($2::text[]) AND i.suffix = 'ccnew'
                     AND EXISTS (SELECT FROM pg_index o JOIN pg_class oc ON oc.oid = o.indexrelid
                                  WHERE o.indrelid = i.indrelid AND oc.relname = $5 AND o.indkey::text = i.indkey::text
                                    AND o.indclass::text = i.indclass::text AND o.indoption::text = i.indoption::text
                                    AND o.indcollation::text = i.indcollation::text AND o.indisunique = i.indisunique) END)sql";

constexpr const char* dropped_sql =
    "SELECT indexrelid FROM pg_index WHERE indexrelid = $1::bigint::oid AND indrelid = $2::bigint::oid AND NOT "
    "indisvalid";

// What other roles are building may be hidden, but for that they build: then whoever holds its table's lock besides.
awaitable<std::vector<leftover>> describe(pg::connection& session, const pg::result& found) {
    std::vector<std::string> oids;
    for (int row = 0; row < found.rows(); ++row) {
        oids.push_back(found.text(row, 0));
    }
    std::vector<leftover> all;
    if (oids.empty()) {
        co_return all;
    }
    const std::string list = pg::array_literal(oids);
    const pg::result rows = co_await session.query(R"sql(
        SELECT c.oid::bigint AS oid, n.nspname, c.relname,
               EXISTS (SELECT FROM pg_stat_progress_create_index p
                        WHERE p.datname = current_database() AND p.pid <> pg_backend_pid()
                          AND CASE WHEN p.index_relid IS NOT NULL THEN p.index_relid = c.oid
                                   ELSE p.pid IN (SELECT l.pid FROM pg_locks l WHERE l.locktype = 'relation' AND l.granted
                                                     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                                                     AND l.relation = i.indrelid AND l.mode = 'ShareUpdateExclusiveLock') END) AS at_work
          FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
         WHERE c.oid = ANY ($1::oid[]) ORDER BY c.oid)sql",
                                                   list);
    for (int row = 0; row < rows.rows(); ++row) {
        leftover one;
        one.oid = rows.integer(row, "oid");
        one.name.schema = rows.text(row, "nspname");
        one.name.name = rows.text(row, "relname");
        one.at_work = rows.boolean(row, "at_work");
        all.push_back(std::move(one));
    }
    co_return all;
}

}  // namespace

awaitable<std::vector<leftover>> find_leftovers(pg::connection& session, const entry& what) {
    const std::string there = pg::array_literal(what.there);
    pg::result found;
    switch (what.what) {
        case deed::create:
            found = co_await session.query(created_sql, what.table_oid, there, what.oid, what.name.schema,
                                           what.name.name, what.for_constraint);
            break;
        case deed::reindex:
            found =
                co_await session.query(reindexed_sql, what.table_oid, there, what.oid, what.made_oid, what.name.name);
            break;
        case deed::drop:
            found = co_await session.query(dropped_sql, what.oid, what.table_oid);
            break;
        case deed::detach:
            break;
    }
    std::vector<leftover> all = co_await describe(session, found);
    co_return all;
}

awaitable<bool> is_detach_pending(pg::connection& session, const entry& what) {
    const pg::result row = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = $1::bigint::oid AND inhparent = $2::bigint::oid AND "
        "inhdetachpending)",
        what.table_oid, what.oid);
    co_return row.boolean(0, 0);
}

}  // namespace pgeist::concurrently
