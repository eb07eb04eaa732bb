#include "pgeist/catalog/fingerprint.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace pgeist::catalog {

namespace {

// Stored trees and numbers are hashed as they are: no definition is put back into SQL text, which would cost time under
// the lock. What a DEFAULT partition may hold is what no other partition takes: their bounds count as its own.
// Statistics, sizes, transaction ids and relfilenodes are left out because writes and maintenance change them, OIDs of
// indexes because REINDEX CONCURRENTLY does, and the invalid indexes that it makes, and leaves behind when it fails,
// are nobody's definition. The mark that CLUSTER leaves on an index is left out too: the swap carries it as it is then.
// Of attoptions only what ALTER can set counts: some servers stamp others. Everything is found by the catalogs'
// indexes, whatever the planner thinks of their sizes (LATERAL, OFFSET 0): this runs under the lock, also where there
// are a hundred thousand tables. By confrelid and typelem there is none, so foreign keys are found by what depends on
// the table.
constexpr const char* lines_sql = R"(
    WITH RECURSIVE c AS (SELECT * FROM pg_class WHERE oid = $1),
    row_type(oid) AS (
        SELECT reltype FROM c UNION ALL SELECT y.typarray FROM c JOIN pg_type y ON y.oid = c.reltype),
    hanging AS (
        SELECT d.* FROM pg_depend d WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
        UNION ALL
        SELECT d.* FROM row_type t CROSS JOIN LATERAL (
               SELECT * FROM pg_depend WHERE refclassid = 'pg_type'::regclass AND refobjid = t.oid OFFSET 0) AS d),
    bound(classid, objid) AS (SELECT DISTINCT classid, objid FROM hanging),
    standing_on(oid) AS (
        SELECT w.ev_class FROM bound b CROSS JOIN LATERAL (
               SELECT * FROM pg_rewrite WHERE b.classid = 'pg_rewrite'::regclass AND oid = b.objid OFFSET 0) AS w
         WHERE w.ev_class <> $1 AND (SELECT t.relpersistence FROM pg_class t WHERE t.oid = w.ev_class) IS DISTINCT FROM 't'
        UNION
        SELECT w.ev_class FROM standing_on s
         CROSS JOIN LATERAL (SELECT relkind FROM pg_class WHERE oid = s.oid OFFSET 0) AS v
         CROSS JOIN LATERAL (SELECT objid FROM pg_depend WHERE refclassid = 'pg_class'::regclass AND refobjid = s.oid
                                AND classid = 'pg_rewrite'::regclass OFFSET 0) AS d
         CROSS JOIN LATERAL (SELECT ev_class FROM pg_rewrite WHERE oid = d.objid OFFSET 0) AS w
         WHERE {from_views}),
    lines(line) AS (
        SELECT ROW('table', relname, relnamespace, relowner, relam, reltablespace, relkind, relpersistence, reloptions,
                   (SELECT t.reloptions FROM pg_class t WHERE t.oid = c.reltoastrelid), relrowsecurity, relforcerowsecurity,
                   relreplident, reloftype, relispartition, pg_get_expr(relpartbound, oid){rights_of_table})::text FROM c
        UNION ALL
        SELECT ROW('rights', relacl, (SELECT y.typacl FROM pg_type y WHERE y.oid = c.reltype))::text FROM c
         WHERE {rights_apart}
        UNION ALL
        SELECT ROW('column rights', attnum, attname, attacl)::text
          FROM pg_attribute WHERE attrelid = $1 AND attnum > 0 AND attacl IS NOT NULL AND {rights_apart}
        UNION ALL
        SELECT ROW('column', attnum, attname, atttypid, atttypmod, attcollation, attnotnull, attidentity, attgenerated,
                   attstorage, attcompression, attstattarget, attisdropped, attislocal, attinhcount,
                   ARRAY(SELECT o FROM unnest(attoptions) AS o WHERE o LIKE 'n\_distinct%' ORDER BY o){rights_of_column})::text
          FROM pg_attribute WHERE attrelid = $1 AND attnum > 0
        UNION ALL
        SELECT ROW('default', adnum, adbin)::text FROM pg_attrdef WHERE adrelid = $1
        UNION ALL
        SELECT ROW('index', x.relname, x.relam, x.reltablespace, x.reloptions, i.indisunique, i.indisprimary,
                   i.indisexclusion, i.indimmediate, {clustered}, i.indisvalid, i.indisreplident, i.indkey, i.indclass,
                   i.indcollation, i.indoption, i.indexprs, i.indpred, {nulls_not_distinct},
                   (SELECT h.inhparent FROM pg_inherits h WHERE h.inhrelid = i.indexrelid),
                   ARRAY(SELECT a.attstattarget::text FROM pg_attribute a WHERE a.attrelid = x.oid ORDER BY a.attnum))::text
          FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
         WHERE i.indrelid = $1 AND (i.indisvalid OR x.relname !~ '_cc(new|old)[0-9]*$')
        UNION ALL
        SELECT ROW('constraint', conname, contype, condeferrable, condeferred, convalidated, conrelid, confrelid, conkey,
                   confkey, confupdtype, confdeltype, confmatchtype, conislocal, coninhcount, connoinherit, conpfeqop,
                   conexclop, conbin, {enforced}, {set_columns})::text
          FROM (SELECT * FROM pg_constraint WHERE conrelid = $1
                UNION ALL
                SELECT k.* FROM bound b CROSS JOIN LATERAL (
                       SELECT * FROM pg_constraint WHERE b.classid = 'pg_constraint'::regclass AND oid = b.objid OFFSET 0) AS k
                 WHERE k.confrelid = $1 AND k.conrelid <> $1) AS own_and_incoming
        UNION ALL
        SELECT ROW('trigger', t.tgname, t.tgfoid, t.tgtype, t.tgenabled, t.tgconstrrelid, t.tgdeferrable, t.tginitdeferred,
                   t.tgattr, t.tgargs, t.tgqual, t.tgoldtable, t.tgnewtable)::text
          FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
         WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND NOT (t.tgname LIKE 'pgeist\_%' AND n.nspname ~ '^pgeist_[0-9]+(_back|_again)?$')
        UNION ALL
        SELECT ROW('internal trigger', tgconstraint, tgtype, tgenabled)::text
          FROM pg_trigger WHERE tgrelid = $1 AND tgisinternal AND tgenabled <> 'O'
        UNION ALL
        SELECT ROW('rule', rulename, ev_type, ev_enabled, is_instead, ev_qual, ev_action)::text
          FROM pg_rewrite WHERE ev_class = $1
        UNION ALL
        SELECT ROW('policy', polname, polcmd, polpermissive, polroles, polqual, polwithcheck)::text
          FROM pg_policy WHERE polrelid = $1
        UNION ALL
        SELECT ROW('inheritance', inhrelid, inhparent, inhseqno)::text
          FROM pg_inherits WHERE inhrelid = $1 OR inhparent = $1
        UNION ALL
        SELECT ROW('ancestor', p.oid, p.relpartbound)::text
          FROM pg_partition_ancestors($1) a JOIN pg_class p ON p.oid = a.relid
        UNION ALL
        SELECT ROW('default partition', k.partdefid <> 0, k.partdefid = i.inhrelid)::text
          FROM pg_inherits i JOIN pg_partitioned_table k ON k.partrelid = i.inhparent WHERE i.inhrelid = $1
        UNION ALL
        SELECT ROW('beside the default partition', s.relpartbound)::text
          FROM pg_partition_ancestors($1) a JOIN pg_inherits i ON i.inhrelid = a.relid
          JOIN pg_partitioned_table k ON k.partrelid = i.inhparent AND k.partdefid = i.inhrelid
          JOIN pg_inherits o ON o.inhparent = i.inhparent JOIN pg_class s ON s.oid = o.inhrelid
        UNION ALL
        SELECT ROW('statistics', stxname, stxnamespace, stxowner, stxkeys, stxkind, stxexprs, stxstattarget)::text
          FROM pg_statistic_ext WHERE stxrelid = $1
        UNION ALL
        SELECT ROW('publication', prpubid, {publication})::text FROM pg_publication_rel r WHERE prrelid = $1
        UNION ALL
        SELECT ROW('subscription', srsubid)::text FROM pg_subscription_rel
         WHERE srrelid = $1 OR srrelid IN (SELECT objid FROM pg_depend WHERE classid = 'pg_class'::regclass AND deptype = 'i'
                                              AND refclassid = 'pg_class'::regclass AND refobjid = $1)
        UNION ALL
        SELECT ROW('sequence', x.relname, x.relnamespace, x.relacl, d.refobjsubid, d.deptype, s.*)::text
          FROM pg_depend d JOIN pg_class x ON x.oid = d.objid AND x.relkind = 'S' JOIN pg_sequence s ON s.seqrelid = x.oid
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
        UNION ALL
        SELECT ROW('dependent', d.classid, d.objid, d.objsubid, d.refobjsubid, d.deptype)::text
          FROM hanging d
         WHERE d.classid NOT IN ('pg_trigger'::regclass, 'pg_attrdef'::regclass)
           AND CASE d.classid
                    WHEN 'pg_class'::regclass THEN
                         coalesce((SELECT x.relkind FROM pg_class x WHERE x.oid = d.objid), ' ') NOT IN ('i', 't')
                    WHEN 'pg_rewrite'::regclass THEN
                         coalesce((SELECT (SELECT t.relpersistence FROM pg_class t WHERE t.oid = w.ev_class)
                                     FROM pg_rewrite w WHERE w.oid = d.objid), ' ') <> 't'
                    ELSE true END
        UNION ALL
        SELECT ROW('view', v.relname, v.relnamespace, v.relowner, v.reloptions, v.relacl, w.rulename, w.ev_action,
                   w.ev_enabled)::text
          FROM standing_on s CROSS JOIN LATERAL (SELECT * FROM pg_class WHERE oid = s.oid OFFSET 0) AS v
         CROSS JOIN LATERAL (SELECT * FROM pg_rewrite WHERE ev_class = s.oid OFFSET 0) AS w
        UNION ALL
        SELECT ROW('view column', a.attrelid, a.attname, a.attacl, a.attstattarget, a.attstorage, d.adbin)::text
          FROM standing_on s
         CROSS JOIN LATERAL (SELECT * FROM pg_attribute WHERE attrelid = s.oid AND attnum > 0 OFFSET 0) AS a
          LEFT JOIN LATERAL (SELECT adbin FROM pg_attrdef WHERE adrelid = a.attrelid AND adnum = a.attnum OFFSET 0) AS d ON true
        UNION ALL
        SELECT ROW('view index', x.relname, i.indkey, i.indexprs, i.indpred, i.indisunique, i.indoption, i.indclass)::text
          FROM standing_on s CROSS JOIN LATERAL (SELECT * FROM pg_index WHERE indrelid = s.oid OFFSET 0) AS i
         CROSS JOIN LATERAL (SELECT relname FROM pg_class WHERE oid = i.indexrelid OFFSET 0) AS x
        UNION ALL
        SELECT ROW('trigger elsewhere', t.tgrelid, t.tgname, t.tgfoid, t.tgtype, t.tgenabled, t.tgdeferrable,
                   t.tginitdeferred, t.tgattr, t.tgargs, t.tgqual)::text
          FROM (SELECT g.oid FROM standing_on s CROSS JOIN LATERAL (
                       SELECT oid FROM pg_trigger WHERE tgrelid = s.oid OFFSET 0) AS g
                UNION SELECT objid FROM bound WHERE classid = 'pg_trigger'::regclass) AS one
         CROSS JOIN LATERAL (SELECT * FROM pg_trigger WHERE oid = one.oid OFFSET 0) AS t
         WHERE NOT t.tgisinternal AND t.tgrelid <> $1
        UNION ALL
        SELECT ROW('comment elsewhere', e.classoid, e.objoid, e.objsubid, e.description)::text
          FROM (SELECT b.classid, b.objid FROM bound b
                 WHERE b.classid NOT IN ('pg_class'::regclass, 'pg_constraint'::regclass)
                UNION SELECT 'pg_class'::regclass, oid FROM standing_on
                UNION SELECT 'pg_policy'::regclass, oid FROM pg_policy WHERE polrelid = $1
                UNION SELECT 'pg_rewrite'::regclass, oid FROM pg_rewrite WHERE ev_class = $1
                UNION SELECT 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext WHERE stxrelid = $1) AS o
         CROSS JOIN LATERAL (SELECT * FROM pg_description WHERE classoid = o.classid AND objoid = o.objid OFFSET 0) AS e
        UNION ALL
        SELECT ROW('function', p.*)::text FROM bound b CROSS JOIN LATERAL (
               SELECT * FROM pg_proc WHERE b.classid = 'pg_proc'::regclass AND oid = b.objid OFFSET 0) AS p
        UNION ALL
        SELECT ROW('policy elsewhere', p.*)::text FROM bound b CROSS JOIN LATERAL (
               SELECT * FROM pg_policy WHERE b.classid = 'pg_policy'::regclass AND oid = b.objid OFFSET 0) AS p
         WHERE p.polrelid <> $1
        UNION ALL
        SELECT ROW('default elsewhere', d.*)::text FROM bound b CROSS JOIN LATERAL (
               SELECT * FROM pg_attrdef WHERE b.classid = 'pg_attrdef'::regclass AND oid = b.objid OFFSET 0) AS d
         WHERE d.adrelid <> $1
        UNION ALL
        SELECT ROW('comment', e.classoid, e.objsubid, o.name, e.description)::text
          FROM (SELECT 'pg_class'::regclass::oid AS classid, oid, relname AS name FROM c
                UNION ALL SELECT 'pg_class'::regclass, i.indexrelid, x.relname
                            FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = $1
                UNION ALL SELECT 'pg_constraint'::regclass, oid, conname FROM pg_constraint WHERE conrelid = $1
                UNION ALL SELECT 'pg_trigger'::regclass, oid, tgname FROM pg_trigger WHERE tgrelid = $1
                UNION ALL SELECT 'pg_policy'::regclass, oid, polname FROM pg_policy WHERE polrelid = $1
                UNION ALL SELECT 'pg_statistic_ext'::regclass, oid, stxname FROM pg_statistic_ext WHERE stxrelid = $1
                UNION ALL SELECT 'pg_type'::regclass, reltype, relname FROM c
                UNION ALL SELECT 'pg_class'::regclass, x.oid, x.relname
                            FROM pg_depend d JOIN pg_class x ON x.oid = d.objid AND x.relkind = 'S'
                           WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                             AND d.refobjid = $1) AS o
         CROSS JOIN LATERAL (SELECT * FROM pg_description WHERE classoid = o.classid AND objoid = o.oid OFFSET 0) AS e
        UNION ALL
        SELECT ROW('extension', classid, objid, refobjid)::text
          FROM (SELECT 'pg_trigger'::regclass::oid AS class, oid FROM pg_trigger WHERE tgrelid = $1
                UNION ALL SELECT 'pg_class'::regclass, indexrelid FROM pg_index WHERE indrelid = $1) AS o
         CROSS JOIN LATERAL (SELECT * FROM pg_depend WHERE classid = o.class AND objid = o.oid OFFSET 0) AS d
         WHERE deptype = 'x' AND refclassid = 'pg_extension'::regclass
        UNION ALL
        SELECT ROW('security label', objsubid, provider, label)::text
          FROM pg_seclabel WHERE classoid = 'pg_class'::regclass AND objoid = $1))";

// Servers that keep to FIPS 140 have no MD5, by which earlier versions have told definitions apart. Their lines were
// others, too: see `earlier`.
constexpr const char* digest_sql = R"(
    SELECT '' AS beginning, encode(sha256(convert_to(text, getdatabaseencoding())), 'hex') AS hash
      FROM (SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C") AS text FROM lines
             WHERE EXISTS (SELECT FROM c)) AS whole)";
// The parts come with the digest if they are asked for: planning the lines takes the longest.
constexpr const char* parts_if_asked_sql = R"(
    UNION ALL
    SELECT left(line, 300), hashtextextended(line, 0)::text FROM lines WHERE $2)";
constexpr const char* earlier_digest_sql = R"(
    SELECT md5(string_agg(line, E'\n' ORDER BY line COLLATE "C")) FROM lines WHERE EXISTS (SELECT FROM c))";
constexpr std::size_t earlier_length = 32;

/// A publication that leaves tables out is restated as a whole in the swap: who changes it changes what is to be said.
const char* publication_columns(int server_major) {
    if (server_major >= 19) {
        return "prqual, prattrs, prexcept, (SELECT array_agg(o.prrelid ORDER BY o.prrelid) FROM pg_publication_rel o "
               "WHERE o.prpubid = r.prpubid AND r.prexcept), (SELECT p.puballsequences FROM pg_publication p WHERE "
               "p.oid = r.prpubid)";
    }
    return server_major >= 15 ? "prqual, prattrs" : "NULL";
}

/// What a digest is made of, where that is not the same in all versions.
struct layout {
    const char* from_views;
    const char* rights_of_table;
    const char* rights_of_column;
    const char* rights_apart;
    const char* clustered;
};
constexpr layout present{"v.relkind IN ('v', 'm')", "", "", "true", "false"};
constexpr layout earlier{"true", ", relacl, (SELECT y.typacl FROM pg_type y WHERE y.oid = c.reltype)", ", attacl",
                         "false", "i.indisclustered"};

std::string sql_for(int server_major, const std::string& wanted, const layout& lines = present) {
    const std::string sql = lines_sql + wanted;
    return fmt::format(
        fmt::runtime(sql), fmt::arg("nulls_not_distinct", server_major >= 15 ? "i.indnullsnotdistinct" : "false"),
        fmt::arg("enforced", server_major >= 18 ? "conenforced" : "true"),
        fmt::arg("set_columns", server_major >= 15 ? "confdelsetcols" : "NULL"),
        fmt::arg("publication", publication_columns(server_major)), fmt::arg("from_views", lines.from_views),
        fmt::arg("rights_of_table", lines.rights_of_table), fmt::arg("rights_of_column", lines.rights_of_column),
        fmt::arg("rights_apart", lines.rights_apart), fmt::arg("clustered", lines.clustered));
}

/// The digest, and behind it the parts. One statement for both, which the session plans once.
awaitable<pg::result> digest_and_parts(pg::connection& conn, std::int64_t oid, bool parts) {
    const pg::connection::kept_plans keep(conn);
    std::string sql = sql_for(conn.server_major(), std::string(digest_sql) + parts_if_asked_sql);
    auto rows = co_await conn.query(std::move(sql), oid, parts);
    co_return rows;
}

}  // namespace

awaitable<std::string> fingerprint(pg::connection& conn, std::int64_t oid) {
    const pg::result rows = co_await digest_and_parts(conn, oid, false);
    co_return rows.text(0, "hash");
}

awaitable<bool> still_has_fingerprint(pg::inquiry& ask, std::int64_t oid, std::string then) {
    if (then.size() == earlier_length) {
        const auto rows = co_await ask.ask(sql_for(ask.server_major(), earlier_digest_sql, earlier), oid);
        co_return rows.text(0, 0) == then;
    }
    if (ask.is_about_one()) {  // as the statement is known to the session already
        const std::string now = co_await fingerprint(ask.session(), oid);
        co_return now == then;
    }
    const auto rows = co_await ask.ask(sql_for(ask.server_major(), digest_sql), oid);
    co_return rows.text(0, "hash") == then;
}

awaitable<std::vector<std::string>> fingerprint_parts(pg::connection& conn, std::int64_t oid) {
    const pg::result rows = co_await digest_and_parts(conn, oid, true);
    std::vector<std::string> parts;
    for (int row = 1; row < rows.rows(); ++row) {
        parts.push_back(name_part(rows.text(row, "beginning")) + part_separator + rows.text(row, "hash"));
    }
    std::sort(parts.begin(), parts.end());
    co_return parts;
}

}  // namespace pgeist::catalog
