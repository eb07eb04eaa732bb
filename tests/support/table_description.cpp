#include "support/table_description.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace pgeist::test {
namespace {

// $1 is the table's OID in each. Places are counted, not attnums: native ALTER leaves holes where a column was dropped.
// The entry that a foreign key to a partitioned table has for each partition is valid when the key is: before 18
// VALIDATE CONSTRAINT does not mark it.
constexpr const char* describe_relation = R"(
    SELECT format('table: kind %s, persistence %s, owner %s, method %s, tablespace %s, replica identity %s, rls %s %s, '
                  'options %s, toast options %s, acl %s, comment %s, type acl %s, type comment %s, labels %s',
                  c.relkind, c.relpersistence, pg_get_userbyid(c.relowner), coalesce(m.amname, '-'),
                  coalesce(s.spcname, '-'), c.relreplident, c.relrowsecurity, c.relforcerowsecurity,
                  coalesce(c.reloptions::text, '-'), coalesce(o.reloptions::text, '-'), coalesce(c.relacl::text, '-'),
                  coalesce(obj_description(c.oid, 'pg_class'), '-'), coalesce(y.typacl::text, '-'),
                  coalesce(obj_description(y.oid, 'pg_type'), '-'),
                  (SELECT string_agg(format('%s of %s for %s', l.label, a.attname, l.provider), ', ' ORDER BY l.objsubid)
                     FROM pg_seclabel l LEFT JOIN pg_attribute a ON a.attrelid = l.objoid AND a.attnum = l.objsubid
                    WHERE l.objoid IN (c.oid, y.oid)))
    FROM pg_class c LEFT JOIN pg_am m ON m.oid = c.relam LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    LEFT JOIN pg_class o ON o.oid = c.reltoastrelid LEFT JOIN pg_type y ON y.oid = c.reltype
    WHERE c.oid = $1::oid)";

// The order of the parents counts, not the gaps that leaving one has made.
constexpr const char* describe_parents = R"(
    SELECT format('parent %s: number %s, bound %s, constraint %s', i.inhparent::regclass,
                  row_number() OVER (ORDER BY i.inhseqno), coalesce(pg_get_expr(c.relpartbound, c.oid), '-'),
                  coalesce(pg_get_partition_constraintdef(c.oid), '-'))
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhrelid = $1::oid)";

// Debian's 15 stamps attoptions with pg_attver, which no ALTER can set.
constexpr const char* describe_columns = R"(
    SELECT format('column %s: %s %s%s%s, dimensions %s, default %s, identity %s, generated %s, storage %s, '
                  'compression %s, statistics %s, options %s, acl %s, local %s %s, comment %s',
                  row_number() OVER (ORDER BY a.attnum), quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
                  CASE WHEN a.attcollation <> t.typcollation THEN ' collate ' || a.attcollation::regcollation ELSE '' END,
                  CASE WHEN a.attnotnull THEN ' not null' ELSE '' END, a.attndims,
                  coalesce(pg_get_expr(d.adbin, d.adrelid), '-'),
                  coalesce(nullif(a.attidentity::text, ''), '-'), coalesce(nullif(a.attgenerated::text, ''), '-'),
                  a.attstorage, coalesce(nullif(a.attcompression::text, ''), '-'), coalesce(a.attstattarget, -1),
                  coalesce((SELECT string_agg(o, ',' ORDER BY o) FROM unnest(a.attoptions) o WHERE o NOT LIKE 'pg_attver=%'), '-'),
                  coalesce(a.attacl::text, '-'), a.attislocal, a.attinhcount,
                  coalesce(col_description(a.attrelid, a.attnum), '-'))
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped)";

// The numbers of an identity go on behind a gap: see identity_numbers_test.cpp.
constexpr const char* describe_sequences = R"(
    SELECT format('sequence %s of %s: type %s, start %s, by %s, min %s, max %s, cache %s, cycle %s, kind %s, owner %s, '
                  'persistence %s, acl %s, last %s, comment %s',
                  q.oid::regclass, quote_ident(a.attname), s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin,
                  s.seqmax, s.seqcache, s.seqcycle, d.deptype, pg_get_userbyid(q.relowner), q.relpersistence,
                  coalesce(q.relacl::text, '-'), CASE WHEN d.deptype = 'i' THEN '?' ELSE coalesce(pg_sequence_last_value(q.oid)::text, '-') END,
                  coalesce(obj_description(q.oid, 'pg_class'), '-'))
    FROM pg_depend d JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S' JOIN pg_sequence s ON s.seqrelid = q.oid
    JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid
      AND d.deptype IN ('a', 'i'))";

constexpr const char* describe_indexes = R"(
    SELECT format('index: %s, owner %s, unique %s, immediate %s, valid %s, ready %s, clustered %s, identity %s, '
                  'tablespace %s, statistics %s, extensions %s, comment %s, parent %s',
                  pg_get_indexdef(i.indexrelid), pg_get_userbyid(c.relowner), i.indisunique, i.indimmediate, i.indisvalid,
                  i.indisready, i.indisclustered, i.indisreplident, coalesce(s.spcname, '-'),
                  (SELECT string_agg(coalesce(a.attstattarget, -1)::text, ',' ORDER BY a.attnum) FROM pg_attribute a
                    WHERE a.attrelid = c.oid),
                  coalesce((SELECT string_agg(e.extname, ',' ORDER BY e.extname)
                              FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                             WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid
                               AND x.refclassid = 'pg_extension'::regclass AND x.deptype = 'x'), '-'),
                  coalesce(obj_description(i.indexrelid, 'pg_class'), '-'),
                  coalesce((SELECT h.inhparent::regclass::text FROM pg_inherits h WHERE h.inhrelid = i.indexrelid), '-'))
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
    WHERE i.indrelid = $1::oid)";

// The index of a foreign key is the one of the referenced table that it is bound to.
constexpr const char* describe_constraints = R"(
    SELECT format('constraint %s on %s: %s %s, index %s, valid %s, deferrable %s %s, local %s %s, no inherit %s, '
                  'trigger states %s, comment %s, parent %s',
                  quote_ident(n.conname), n.conrelid::regclass, n.contype,
                  CASE WHEN p.oid IS NULL OR p.conrelid <> n.conrelid THEN pg_get_constraintdef(n.oid)
                       ELSE replace(pg_get_constraintdef(n.oid), ' NOT VALID', '') END,
                  coalesce(nullif(n.conindid, 0)::regclass::text, '-'),
                  CASE WHEN p.oid IS NULL OR p.conrelid <> n.conrelid THEN n.convalidated::text ELSE 'as its parent' END,
                  n.condeferrable, n.condeferred, n.conislocal, n.coninhcount, n.connoinherit AND n.contype IN ('c', 'n'),
                  (SELECT string_agg(t.tgenabled::text, '' ORDER BY t.tgenabled) FROM pg_trigger t
                    WHERE t.tgconstraint = n.oid),
                  coalesce(obj_description(n.oid, 'pg_constraint'), '-'),
                  coalesce(p.conname || ' of ' || p.conrelid::regclass, '-'))
    FROM pg_constraint n LEFT JOIN pg_constraint p ON p.oid = n.conparentid
    WHERE n.conrelid = $1::oid OR (n.contype = 'f' AND n.confrelid = $1::oid))";

constexpr const char* describe_triggers = R"(
    SELECT format('trigger: %s, enabled %s, extensions %s, comment %s, parent %s', pg_get_triggerdef(t.oid), t.tgenabled,
                  coalesce((SELECT string_agg(e.extname, ',' ORDER BY e.extname)
                              FROM pg_depend x JOIN pg_extension e ON e.oid = x.refobjid
                             WHERE x.classid = 'pg_trigger'::regclass AND x.objid = t.oid
                               AND x.refclassid = 'pg_extension'::regclass AND x.deptype = 'x'), '-'),
                  coalesce(obj_description(t.oid, 'pg_trigger'), '-'),
                  coalesce((SELECT p.tgrelid::regclass::text FROM pg_trigger p WHERE p.oid = t.tgparentid), '-'))
    FROM pg_trigger t WHERE t.tgrelid = $1::oid AND (NOT t.tgisinternal OR (t.tgparentid <> 0 AND NOT EXISTS
        (SELECT FROM pg_constraint n WHERE n.oid = t.tgconstraint AND n.contype <> 't')))
    UNION ALL
    SELECT format('rule: %s, enabled %s, comment %s', pg_get_ruledef(r.oid), r.ev_enabled,
                  coalesce(obj_description(r.oid, 'pg_rewrite'), '-'))
    FROM pg_rewrite r WHERE r.ev_class = $1::oid
    UNION ALL
    SELECT format('policy %s: %s permissive %s roles %s using %s check %s, comment %s', quote_ident(p.polname), p.polcmd,
                  p.polpermissive,
                  (SELECT array_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(r) END ORDER BY place)
                     FROM unnest(p.polroles) WITH ORDINALITY AS each(r, place)),
                  pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid),
                  coalesce(obj_description(p.oid, 'pg_policy'), '-'))
    FROM pg_policy p WHERE p.polrelid = $1::oid)";

// A schema whose name contains the table's is shown with @ instead: the twin of a table has a twin of the schema.
constexpr const char* describe_statistics = R"(
    SELECT format('statistics %s in %s: %s, owner %s, target %s, comment %s', quote_ident(x.stxname),
                  replace(s.nspname, n.nspname, '@'),
                  replace(pg_get_statisticsobjdef(x.oid), quote_ident(s.nspname) || '.' || quote_ident(x.stxname), ''),
                  pg_get_userbyid(x.stxowner), coalesce(x.stxstattarget, -1),
                  coalesce(obj_description(x.oid, 'pg_statistic_ext'), '-'))
    FROM pg_statistic_ext x JOIN pg_namespace s ON s.oid = x.stxnamespace JOIN pg_class c ON c.oid = x.stxrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE x.stxrelid = $1::oid)";

constexpr const char* describe_publications = R"(
    SELECT format('publication %s', quote_ident(p.pubname))
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1::oid)";

constexpr const char* describe_publications_15 = R"(
    SELECT format('publication %s: columns %s, rows %s', quote_ident(p.pubname),
                  coalesce((SELECT string_agg(quote_ident(a.attname), ',' ORDER BY a.attnum) FROM pg_attribute a
                             WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs::int2[])), '-'),
                  coalesce(pg_get_expr(r.prqual, r.prrelid), '-'))
    FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE r.prrelid = $1::oid)";

// Whatever hangs on the table, on its row type or on what is part of it, and on which part. Names made of OIDs are left
// out: TOAST, and the triggers of constraints.
constexpr const char* describe_dependents = R"(
    WITH part(classid, objid) AS (
        SELECT 'pg_class'::regclass::oid, $1::oid
        UNION SELECT 'pg_type'::regclass, t.oid FROM pg_class c JOIN pg_type t ON t.oid = c.reltype OR t.typelem = c.reltype
               WHERE c.oid = $1::oid AND c.reltype <> 0
        UNION SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1::oid
        UNION SELECT 'pg_constraint'::regclass, oid FROM pg_constraint WHERE conrelid = $1::oid
        UNION SELECT 'pg_class'::regclass, d.objid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
               WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::oid AND d.deptype IN ('a', 'i'))
    SELECT DISTINCT format('dependent: %s on %s (%s)', pg_describe_object(d.classid, d.objid, d.objsubid),
                           pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid), d.deptype)
    FROM pg_depend d JOIN part p ON p.classid = d.refclassid AND p.objid = d.refobjid
    LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    WHERE c.relkind IS DISTINCT FROM 't' AND t.tgisinternal IS NOT TRUE AND d.classid <> 'pg_statistic_ext'::regclass)";

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
    const std::array queries{
        describe_relation,
        describe_parents,
        describe_columns,
        describe_sequences,
        describe_indexes,
        describe_constraints,
        describe_triggers,
        describe_statistics,
        connection.server_major() >= 15 ? describe_publications_15 : describe_publications,
        describe_dependents,
    };
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
