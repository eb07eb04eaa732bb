#include <fmt/format.h>

#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// A partitioned table at either end has one more row for each partition (conparentid); it counts only where it is asked
// for. By confrelid there is no index: those that refer to a table are found by what depends on it.
constexpr const char* foreign_keys_sql = R"(
    SELECT c.oid, c.conname, c.conrelid, ns.nspname AS table_schema, s.relname AS table_name, s.relkind AS table_kind,
           c.confrelid, nr.nspname AS referenced_schema, r.relname AS referenced_name,
           r.relkind AS referenced_kind,
           coalesce(i.relname, '') AS referenced_index,
           EXISTS (SELECT FROM pg_index x WHERE x.indexrelid = c.conindid AND x.indisprimary
                      AND c.confkey = (string_to_array(x.indkey::text, ' ')::int2[])[1:x.indnkeyatts] OFFSET 0) AS of_primary_key,
           ARRAY(SELECT a.attname FROM unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.place) AS columns,
           ARRAY(SELECT a.attname FROM unnest(c.confkey) WITH ORDINALITY AS k(attnum, place)
                   JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum
                  ORDER BY k.place) AS referenced_columns,
           ARRAY(SELECT format('OPERATOR(%I.%s)', n.nspname, o.oprname)
                   FROM unnest(c.conpfeqop) WITH ORDINALITY AS k(oid, place) JOIN pg_operator o ON o.oid = k.oid
                   JOIN pg_namespace n ON n.oid = o.oprnamespace ORDER BY k.place) AS operators,
           ARRAY(SELECT CASE WHEN a.attcollation <> f.attcollation AND a.attcollation <> 0
                             THEN (SELECT format('%I.%I', n.nspname, l.collname) FROM pg_collation l
                                     JOIN pg_namespace n ON n.oid = l.collnamespace WHERE l.oid = a.attcollation)
                             ELSE '' END
                   FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k(own, other, place)
                   JOIN pg_attribute f ON f.attrelid = c.conrelid AND f.attnum = k.own
                   JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.other
                  ORDER BY k.place) AS collations,
           {set_columns} AS delete_set_columns,
           c.confmatchtype, c.confupdtype, c.confdeltype, c.condeferrable, c.condeferred, c.convalidated,
           {enforced} AS enforced, {period} AS period, obj_description(c.oid, 'pg_constraint') AS comment,
           ARRAY(SELECT p.proname || '=' || t.tgenabled::text FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
                  WHERE t.tgconstraint = c.oid AND t.tgenabled <> 'O' ORDER BY 1) AS trigger_states
      FROM pg_constraint c
      JOIN pg_class s ON s.oid = c.conrelid JOIN pg_namespace ns ON ns.oid = s.relnamespace
      JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace nr ON nr.oid = r.relnamespace
      LEFT JOIN pg_class i ON i.oid = c.conindid
     WHERE c.contype = 'f' AND {which}
     ORDER BY ns.nspname COLLATE "C", s.relname COLLATE "C", c.conname COLLATE "C")";

constexpr const char* set_columns_sql = R"(
    ARRAY(SELECT a.attname FROM unnest(c.confdelsetcols) WITH ORDINALITY AS k(attnum, place)
            JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum ORDER BY k.place))";

const char* condition(foreign_keys_of which) {
    switch (which) {
        case foreign_keys_of::own:
            return "c.conparentid = 0 AND c.conrelid = $1";
        case foreign_keys_of::incoming:
            return "c.conparentid = 0 AND c.confrelid = $1 AND c.conrelid <> $1 AND c.oid IN (SELECT d.objid FROM "
                   "pg_depend d WHERE d.classid = 'pg_constraint'::regclass AND d.refclassid = 'pg_class'::regclass "
                   "AND "
                   "d.refobjid = $1)";
        case foreign_keys_of::parent:
            return "c.conrelid = $1 AND EXISTS (SELECT FROM pg_constraint u WHERE u.oid = c.conparentid AND "
                   "u.conrelid <> c.conrelid AND u.confrelid = c.confrelid OFFSET 0)";
        case foreign_keys_of::ancestors_incoming:
            return "c.conparentid = 0 AND (c.oid, c.confrelid) IN (SELECT d.objid, d.refobjid FROM "
                   "pg_partition_ancestors($1) a JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND "
                   "d.refclassid = 'pg_class'::regclass AND d.refobjid = a.relid WHERE a.relid <> $1)";
    }
    return "false";
}

std::string sql_for(int server_major, foreign_keys_of which) {
    return fmt::format(foreign_keys_sql, fmt::arg("set_columns", server_major >= 15 ? set_columns_sql : "'{}'::text[]"),
                       fmt::arg("enforced", server_major >= 18 ? "c.conenforced" : "true"),
                       fmt::arg("period", server_major >= 18 ? "c.conperiod" : "false"),
                       fmt::arg("which", condition(which)));
}

foreign_key read_foreign_key(const pg::result& rows, int row) {
    foreign_key each;
    each.oid = rows.integer(row, "oid");
    each.name = rows.text(row, "conname");
    each.table_oid = rows.integer(row, "conrelid");
    each.table.schema = rows.text(row, "table_schema");
    each.table.name = rows.text(row, "table_name");
    each.table_kind = read_char(rows, row, "table_kind");
    each.columns = rows.array(row, "columns");
    each.referenced_oid = rows.integer(row, "confrelid");
    each.referenced.schema = rows.text(row, "referenced_schema");
    each.referenced.name = rows.text(row, "referenced_name");
    each.referenced_kind = read_char(rows, row, "referenced_kind");
    each.referenced_columns = rows.array(row, "referenced_columns");
    each.operators = rows.array(row, "operators");
    each.collations = rows.array(row, "collations");
    each.referenced_index = rows.text(row, "referenced_index");
    each.of_primary_key = rows.boolean(row, "of_primary_key");
    each.match = read_char(rows, row, "confmatchtype");
    each.on_update = read_char(rows, row, "confupdtype");
    each.on_delete = read_char(rows, row, "confdeltype");
    each.delete_set_columns = rows.array(row, "delete_set_columns");
    each.deferrable = rows.boolean(row, "condeferrable");
    each.deferred = rows.boolean(row, "condeferred");
    each.validated = rows.boolean(row, "convalidated");
    each.enforced = rows.boolean(row, "enforced");
    each.period = rows.boolean(row, "period");
    each.comment = rows.optional_text(row, "comment");
    each.trigger_states = rows.array(row, "trigger_states");
    return each;
}

}  // namespace

awaitable<std::vector<foreign_key>> read_foreign_keys(pg::inquiry& ask, std::int64_t table_oid, foreign_keys_of which) {
    const auto rows = co_await ask.ask(sql_for(ask.server_major(), which), table_oid);
    std::vector<foreign_key> keys;
    for (int row = 0; row < rows.rows(); ++row) {
        keys.push_back(read_foreign_key(rows, row));
    }
    co_return keys;
}

}  // namespace pgeist::catalog
