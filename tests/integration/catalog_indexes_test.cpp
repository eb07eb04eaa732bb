// What is asked under the swap's lock, in a database of any size.

#include "job_test.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"

namespace pgeist::test {
namespace {

class catalog_indexes : public job_test {};

// With sequential scans switched off, only a question for which there is no index still makes one.
TEST_F(catalog_indexes, NoCatalogThatGrowsWithTheTablesIsReadWhole) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t, v text); CREATE INDEX ON t (v);"
        "CREATE TABLE child (id int REFERENCES t); CREATE VIEW seen AS SELECT id FROM t; CREATE VIEW twice AS TABLE "
        "seen;"
        "CREATE FUNCTION of_row(t) RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON TABLE t IS 'of rows'");
    const std::int64_t oid = sql().number("SELECT 't'::regclass::oid");
    await(session().begin());
    await(session().execute("SET LOCAL enable_seqscan = off"));
    await(catalog::fingerprint(session(), oid));
    await(catalog::read_definition(session(), oid));
    await(catalog::names_of_dependents(session(), oid));
    const pg::result read_whole = await(session().query(
        "SELECT coalesce(string_agg(relname, ', '), '') FROM pg_stat_xact_sys_tables WHERE seq_scan > 0 AND relname IN "
        "('pg_class', 'pg_type', 'pg_attribute', 'pg_attrdef', 'pg_constraint', 'pg_index', 'pg_depend', 'pg_rewrite', "
        "'pg_trigger', 'pg_proc', 'pg_description')"));
    EXPECT_EQ(read_whole.text(0, 0), "");
    await(session().rollback());
}

}  // namespace
}  // namespace pgeist::test
