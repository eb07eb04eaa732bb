#include "pgeist/catalog/comments.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* comments_sql = R"(
    SELECT 'TABLE' AS kind, '' AS name, obj_description($1::bigint::oid, 'pg_class') AS text
    UNION ALL
    SELECT 'TYPE', '', obj_description(reltype, 'pg_type') FROM pg_class WHERE oid = $1::bigint::oid
    UNION ALL
    SELECT 'COLUMN', attname, col_description(attrelid, attnum) FROM pg_attribute
     WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'CONSTRAINT', conname, obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conrelid = $1::bigint::oid
    UNION ALL
    SELECT 'INDEX', c.relname, obj_description(c.oid, 'pg_class')
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = $1::bigint::oid
    UNION ALL
    SELECT 'TRIGGER', tgname, obj_description(oid, 'pg_trigger') FROM pg_trigger
     WHERE tgrelid = $1::bigint::oid AND NOT tgisinternal AND NOT starts_with(tgname, 'pgeist_')
    UNION ALL
    SELECT 'POLICY', polname, obj_description(oid, 'pg_policy') FROM pg_policy WHERE polrelid = $1::bigint::oid
    UNION ALL
    SELECT 'RULE', rulename, obj_description(oid, 'pg_rewrite') FROM pg_rewrite WHERE ev_class = $1::bigint::oid
    UNION ALL
    SELECT 'STATISTICS', stxname, obj_description(oid, 'pg_statistic_ext') FROM pg_statistic_ext WHERE stxrelid = $1::bigint::oid)";

}  // namespace

awaitable<std::vector<commented>> read_comments(pg::connection& session, std::int64_t table_oid) {
    const pg::result rows = co_await session.query(comments_sql, table_oid);
    std::vector<commented> all;
    for (int row = 0; row < rows.rows(); ++row) {
        commented each;
        each.kind = rows.text(row, "kind");
        each.name = rows.text(row, "name");
        each.text = rows.optional_text(row, "text");
        all.push_back(std::move(each));
    }
    co_return all;
}

}  // namespace pgeist::catalog
