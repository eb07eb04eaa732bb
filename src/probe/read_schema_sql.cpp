#include "read_schema_sql.hpp"

namespace pgeist::probe::catalog_sql {

// Up to a limit: beyond it a file names half of a very large database, and rules do without the rest.
const char* const reach = R"(
    WITH RECURSIVE user_schemas AS (
        SELECT oid FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
    made_of(oid) AS (
        SELECT t.oid FROM pg_type t JOIN user_schemas n ON n.oid = t.typnamespace
         WHERE t.typname = ANY($1::text[]) AND t.typtype IN ('d', 'e', 'c')
        UNION
        SELECT t.oid FROM made_of m JOIN pg_type t ON t.typbasetype = m.oid OR t.typelem = m.oid),
    edges(a, b) AS (
        SELECT inhrelid, inhparent FROM pg_inherits
        UNION ALL SELECT conrelid, confrelid FROM pg_constraint WHERE contype = 'f' AND conparentid = 0
        UNION ALL SELECT i.indexrelid, i.indrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid
                    JOIN user_schemas n ON n.oid = c.relnamespace
        UNION ALL SELECT r.ev_class, d.refobjid FROM pg_rewrite r
                    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
                         AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> r.ev_class AND d.refobjid >= 16384
        UNION ALL SELECT d.objid, d.refobjid FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                   WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                     AND d.deptype IN ('a', 'i')),
    linked(a, b) AS (SELECT a, b FROM edges UNION SELECT b, a FROM edges),
    reached(oid) AS (
        SELECT c.oid FROM pg_class c JOIN user_schemas n ON n.oid = c.relnamespace WHERE c.relname = ANY($1::text[])
        UNION SELECT a.attrelid FROM made_of m JOIN pg_attribute a ON a.atttypid = m.oid
                JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'm')
        UNION SELECT s.stxrelid FROM pg_statistic_ext s WHERE s.stxname = ANY($1::text[])
        UNION SELECT e.b FROM reached r JOIN linked e ON e.a = r.oid)
    SELECT oid FROM reached LIMIT 50000)";

const char* const types = R"(
    SELECT CASE t.typtype
             WHEN 'e' THEN format('CREATE TYPE %I.%I AS ENUM (%s)', n.nspname, t.typname,
                                  (SELECT string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                                     FROM pg_enum WHERE enumtypid = t.oid))
             WHEN 'd' THEN format('CREATE DOMAIN %I.%I AS %s%s%s', n.nspname, t.typname,
                                  format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN ' NOT NULL' END,
                                  CASE WHEN EXISTS (SELECT FROM pg_constraint WHERE contypid = t.oid AND contype = 'c')
                                       THEN ' CHECK (true)' END)
             ELSE format('CREATE TYPE %I.%I AS ()', n.nspname, t.typname) END
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND (t.typtype IN ('e', 'd') OR t.typtype = 'c' AND c.relkind = 'c') AND $1::oid[] IS NOT NULL
     ORDER BY t.oid)";

std::string tables(bool not_null_is_a_constraint) {
    const std::string not_null =
        not_null_is_a_constraint
            ? "a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = "
              "'n' AND k.conkey[1] = a.attnum AND NOT k.convalidated)"
            : "a.attnotnull";
    return R"(
    SELECT format('CREATE TABLE %I.%I (%s)%s', n.nspname, c.relname,
                  (SELECT string_agg(format('%I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
                                            CASE WHEN )" +
           not_null + R"( THEN ' NOT NULL' END,
                                            CASE WHEN a.attgenerated <> '' THEN
                                                 format(' GENERATED ALWAYS AS (%s) %s', pg_get_expr(d.adbin, d.adrelid),
                                                        CASE a.attgenerated WHEN 's' THEN 'STORED' ELSE 'VIRTUAL' END) END),
                                     ', ' ORDER BY a.attnum)
                     FROM pg_attribute a LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
                  CASE WHEN c.relkind = 'p' THEN ' PARTITION BY ' || pg_get_partkeydef(c.oid) END)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY($1::oid[]) AND c.relkind IN ('r', 'p') ORDER BY c.oid)";
}

const char* const parents = R"(
    SELECT CASE WHEN c.relispartition THEN format('ALTER TABLE %I.%I ATTACH PARTITION %I.%I %s', pn.nspname, p.relname,
                                                  n.nspname, c.relname, pg_get_expr(c.relpartbound, c.oid))
                ELSE format('ALTER TABLE %I.%I INHERIT %I.%I', n.nspname, c.relname, pn.nspname, p.relname) END
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE i.inhrelid = ANY($1::oid[]) AND c.relkind IN ('r', 'p') ORDER BY i.inhparent, i.inhrelid)";

const char* const sequences = R"(
    SELECT format('CREATE SEQUENCE %I.%I', n.nspname, c.relname)
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY($1::oid[]) AND c.relkind = 'S')";

// NOT NULL that is valid stands with its column.
const char* const constraints = R"(
    SELECT format('ALTER TABLE ONLY %I.%I ADD CONSTRAINT %I %s', n.nspname, c.relname, k.conname,
                  pg_get_constraintdef(k.oid))
      FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE k.conrelid = ANY($1::oid[]) AND c.relkind IN ('r', 'p')
       AND (k.contype IN ('p', 'u', 'x', 'c') OR k.contype = 'n' AND NOT k.convalidated
            OR k.contype = 'f' AND k.conparentid = 0)
     ORDER BY k.contype = 'f', k.oid)";

const char* const indexes = R"(
    SELECT pg_get_indexdef(i.indexrelid)
      FROM pg_index i WHERE i.indrelid = ANY($1::oid[])
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
     ORDER BY i.indexrelid)";

const char* const index_parents = R"(
    SELECT format('ALTER INDEX %I.%I ATTACH PARTITION %I.%I', pn.nspname, p.relname, n.nspname, c.relname)
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE c.relkind IN ('i', 'I') AND i.inhrelid = ANY($1::oid[]) ORDER BY i.inhrelid)";

// What a view reads, and not how.
const char* const views = R"(
    SELECT format('CREATE %s %I.%I AS SELECT 1%s', CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END,
                  n.nspname, c.relname,
                  ' FROM ' || (SELECT string_agg(DISTINCT format('%I.%I', rn.nspname, f.relname), ', ')
                                 FROM pg_rewrite r JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass
                                      AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
                                 JOIN pg_class f ON f.oid = d.refobjid AND f.oid <> c.oid
                                 JOIN pg_namespace rn ON rn.oid = f.relnamespace WHERE r.ev_class = c.oid))
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.oid = ANY($1::oid[]) AND c.relkind IN ('v', 'm') ORDER BY c.oid)";

const char* const statistics = R"(
    SELECT format('CREATE STATISTICS %I.%I ON a, b FROM %I.%I', sn.nspname, s.stxname, n.nspname, c.relname)
      FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace JOIN pg_class c ON c.oid = s.stxrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace WHERE s.stxrelid = ANY($1::oid[]))";

const char* const owned_sequences = R"(
    SELECT n.nspname, c.relname, a.attname, sn.nspname AS sequence_schema, s.relname AS sequence,
           d.deptype = 'i' AS identity
      FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace sn ON sn.oid = s.relnamespace
      JOIN pg_class c ON c.oid = d.refobjid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
       AND d.refobjid = ANY($1::oid[]))";

const char* const sizes = R"(
    SELECT c.oid, n.nspname, c.relname, greatest(c.reltuples, 0)::bigint AS tuples,
           (c.relpages + coalesce(t.relpages, 0))::bigint * current_setting('block_size')::bigint AS bytes,
           CASE WHEN c.relkind IN ('r', 'p') THEN c.relnatts ELSE 0 END AS columns,
           EXISTS (SELECT FROM pg_publication_rel pr WHERE pr.prrelid = c.oid)
             OR EXISTS (SELECT FROM pg_publication pb WHERE pb.puballtables) AND c.relkind IN ('r', 'p') AS published,
           coalesce(i.indisvalid, true) AS valid
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
     WHERE c.relkind IN ('r', 'p', 'i', 'I', 'm')
       AND (c.oid = ANY($1::oid[]) OR i.indrelid = ANY($1::oid[])))";

// Takes ACCESS SHARE on each for a moment.
const char* const measured = R"(
    SELECT n.nspname, c.relname, pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) AS bytes
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
      LEFT JOIN pg_class o ON o.oid = i.indrelid
     WHERE c.relkind IN ('r', 'i', 'm') AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND (c.relname = ANY($1::text[]) OR o.relname = ANY($1::text[]) OR c.relispartition))";

}  // namespace pgeist::probe::catalog_sql
