#include <fmt/format.h>

#include "readers.hpp"

namespace pgeist::catalog {

namespace {

// An identity column's sequence hangs on it internally, one made OWNED BY (as serial does) automatically.
constexpr const char* sequences_sql = R"(
    SELECT c.oid, n.nspname, c.relname, d.refobjsubid AS attnum, d.deptype = 'i' AS identity,
           format_type(s.seqtypid, NULL) AS type, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
           {acl} AS acl, obj_description(c.oid, 'pg_class') AS comment
      FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S'
      JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
       AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
     ORDER BY c.relname COLLATE "C")";

}  // namespace

awaitable<std::vector<sequence>> read_sequences(pg::inquiry& ask, std::int64_t table_oid) {
    const std::string acl = access_list_sql("c.relacl", "acldefault('s', c.relowner)");
    const auto rows = co_await ask.ask(fmt::format(sequences_sql, fmt::arg("acl", acl)), table_oid);
    std::vector<sequence> sequences;
    for (int row = 0; row < rows.rows(); ++row) {
        sequence each;
        each.oid = rows.integer(row, "oid");
        each.name.schema = rows.text(row, "nspname");
        each.name.name = rows.text(row, "relname");
        each.column = static_cast<int>(rows.integer(row, "attnum"));
        each.identity = rows.boolean(row, "identity");
        each.type = rows.text(row, "type");
        each.start = rows.integer(row, "seqstart");
        each.increment = rows.integer(row, "seqincrement");
        each.minimum = rows.integer(row, "seqmin");
        each.maximum = rows.integer(row, "seqmax");
        each.cache = rows.integer(row, "seqcache");
        each.cycle = rows.boolean(row, "seqcycle");
        each.acl = parse_access_list(rows.text(row, "acl"));
        each.comment = rows.optional_text(row, "comment");
        sequences.push_back(std::move(each));
    }
    co_return sequences;
}

}  // namespace pgeist::catalog
