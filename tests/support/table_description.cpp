#include "support/table_description.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace pgeist::test {
namespace {

// $1 is the table's OID in each. The entry that a foreign key to a partitioned table has for each partition
// is valid when the key is: before 18 VALIDATE CONSTRAINT does not mark it.
constexpr const char* describe_relation = R"(
    SELECT format('table: kind %s, persistence %s, owner %s, method %s, tablespace %s, replica identity %s, rls %s %s, '
                  'options %s, acl %s, comment %s',
                  c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), coalesce(m.amname, '-'),
                  coalesce(s.spcname, '-'), c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
                  coalesce(c.reloptions::text, '-'), coalesce(c.relacl::text, '-'),
                  coalesce(obj_description(c.oid, 'pg_class'), '-'))
    FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    WHERE c.oid = $1::oid)";

// The order of the parents counts, not the gaps that leaving one has made.
constexpr const char* describe_parents = R"(
    SELECT format('parent %s: number %s, bound %s, constraint %s', i.inhparent::regclass,
                  row_number() OVER (ORDER BY i.inhseqno), coalesce(pg_get_expr(c.relpartbound, c.oid), '-'),
                  coalesce(pg_get_partition_constraintdef(c.oid), '-'))
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = $1::oid)";

// Columns are numbered by position: native ALTER leaves holes where a column was dropped. Debian's 15 stamps
// attoptions with pg_attver, which no ALTER can set.
constexpr const char* describe_columns = R"(
    SELECT format('column %s: %s %s%s%s, default %s, identity %s, generated %s, storage %s, compression %s, '
                  'statistics %s, options %s, acl %s, comment %s, local %s, parents %s',
                  row_number() OVER (ORDER BY a.attnum), quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation ELSE '' END,
                  CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, coalesce(pg_get_expr(d.adbin, d.adrelid), '-'),
                  coalesce(nullif(a.attidentity::text, ''), '-'), coalesce(nullif(a.attgenerated::text, ''), '-'),
                  a.attstorage, coalesce(nullif(a.attcompression::text, ''), '-'), coalesce(a.attstattarget, -1),
                  coalesce((SELECT string_agg(o, ',' ORDER BY o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%'), '-'),
                  coalesce(a.attacl::text, '-'), coalesce(col_description(a.attrelid, a.attnum), '-'), a.attislocal, a.attinhcount)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped)";

constexpr const char* describe_sequences = R"(
    SELECT format('sequence %s of %s: type %s, start %s, by %s, min %s, max %s, cache %s, cycle %s, kind %s, owner %s, '
                  'acl %s, last %s',
                  quote_ident(q.relname), quote_ident(a.attname), s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin,
                  s.seqmax, s.seqcache, s.seqcycle, d.deptype, pg_get_userbyid(q.relowner), coalesce(q.relacl::text, '-'),
                  coalesce(pg_sequence_last_value(q.oid)::text, '-'))
    FROM pg_depend d JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S' JOIN pg_sequence s ON s.seqrelid = q.oid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid
      AND d.deptype IN ('a', 'i'))";

constexpr const char* describe_indexes = R"(
    SELECT format('index: %s, unique %s, valid %s, ready %s, clustered %s, identity %s, tablespace %s, comment %s, '
                  'parent %s',
                  pg_get_indexdef(i.indexrelid), i.indisunique, i.indisvalid, i.indisready, i.indisclustered,
                  i.indisreplident, coalesce(s.spcname, '-'), coalesce(obj_description(i.indexrelid, 'pg_class'), '-'),
                  coalesce((SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.indexrelid), '-'))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    WHERE i.indrelid = $1::oid)";

constexpr const char* describe_constraints = R"(
    SELECT format('constraint %s on %s: %s, valid %s, comment %s, local %s, parents %s, parent %s', quote_ident(n.conname),
                  n.conrelid::regclass,
                  CASE WHEN p.oid IS NULL OR p.conrelid <> n.conrelid THEN pg_get_constraintdef(n.oid)
                       ELSE replace(pg_get_constraintdef(n.oid), ' NOT VALID', '') END,
                  CASE WHEN p.oid IS NULL OR p.conrelid <> n.conrelid THEN n.convalidated::text ELSE 'as its parent' END,
                  coalesce(obj_description(n.oid, 'pg_constraint'), '-'), n.conislocal, n.coninhcount,
                  coalesce(p.conname || ' of ' || p.conrelid::regclass, '-'))
    FROM pg_constraint n LEFT JOIN pg_constraint p ON p.oid = n.conparentid WHERE n.conrelid = $1::oid OR (n.contype = 'f' AND n.confrelid = $1::oid))";

constexpr const char* describe_triggers = R"(
    SELECT format('trigger: %s, enabled %s, comment %s, parent %s', pg_get_triggerdef(t.oid), t.tgenabled,
                  coalesce(obj_description(t.oid, 'pg_trigger'), '-'),
                  coalesce((SELECT p.tgrelid::regclass::text FROM pg_trigger p WHERE p.oid = t.tgparentid), '-'))
    FROM pg_trigger t WHERE t.tgrelid = $1::oid AND (NOT t.tgisinternal OR (t.tgparentid <> 0 AND NOT EXISTS
        (SELECT FROM pg_constraint n WHERE n.oid = t.tgconstraint AND n.contype <> 't')))
    UNION ALL
    SELECT format('rule: %s, enabled %s', pg_get_ruledef(r.oid), r.ev_enabled) FROM pg_rewrite r WHERE r.ev_class = $1::oid
    UNION ALL
    SELECT format('policy %s: %s permissive %s roles %s using %s check %s', quote_ident(p.polname), p.polcmd,
                  p.polpermissive, (SELECT array_agg(pg_get_userbyid(r)) FROM unnest(p.polroles) r),
                  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p WHERE p.polrelid = $1::oid
    UNION ALL
    SELECT format('statistics: %s, target %s', pg_get_statisticsobjdef(x.oid), coalesce(x.stxstattarget, -1))
    FROM pg_statistic_ext x WHERE x.stxrelid = $1::oid
    UNION ALL
    SELECT 'publication ' || p.pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
    WHERE r.prrelid = $1::oid)";

std::string without(std::string text, const std::string& part) {
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at)) {
        text.erase(at, part.size());
    }
    return text;
}

}  // namespace

std::vector<std::string> describe_table(sync_connection& connection, const std::string& schema,
                                        const std::string& table) {
    const std::string oid =
        connection.scalar("SELECT format('%I.%I', $1::text, $2::text)::regclass::oid", {schema, table});
    const std::string prefix = connection.scalar("SELECT quote_ident($1) || '.'", {schema});
    std::vector<std::string> lines;
    const std::array queries{describe_relation, describe_parents,     describe_columns, describe_sequences,
                             describe_indexes,  describe_constraints, describe_triggers};
    connection.execute("SET search_path = pg_catalog");
    for (const char* query : queries) {
        std::vector<std::string> part;
        for (const row& line : connection.query(query, {oid}).rows) {
            part.push_back(without(line[0].value_or("?"), prefix));
        }
        std::sort(part.begin(), part.end());
        std::move(part.begin(), part.end(), std::back_inserter(lines));
    }
    connection.execute("RESET search_path");
    return lines;
}

std::vector<std::string> description_difference(const std::vector<std::string>& left,
                                                const std::vector<std::string>& right) {
    std::vector<std::string> difference;
    const auto missing = [&](const std::vector<std::string>& from, const std::vector<std::string>& in,
                             const std::string& mark) {
        for (const std::string& line : from) {
            if (std::find(in.begin(), in.end(), line) == in.end()) {
                difference.push_back(mark + line);
            }
        }
    };
    missing(left, right, "- ");
    missing(right, left, "+ ");
    return difference;
}

std::string table_identity(sync_connection& connection, const std::string& table) {
    return connection.scalar("SELECT oid || ' ' || relfilenode FROM pg_class WHERE oid = $1::regclass", {table});
}

}  // namespace pgeist::test
