// What is asked under the swap's lock, in a database of any size.

#include "job_test.hpp"
#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/catalog/reader.hpp"

namespace pgeist::test {
namespace {

class catalog_indexes : public job_test {
protected:
    /// Two tables with something of most kinds; returns their OIDs.
    std::vector<std::int64_t> make_two() {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, parent int REFERENCES t, v text); CREATE INDEX ON t (v);"
            "CREATE TABLE child (id int REFERENCES t, n bigint GENERATED ALWAYS AS IDENTITY CHECK (n > 0));"
            "CREATE VIEW seen AS SELECT id FROM t; CREATE VIEW twice AS TABLE seen;"
            "CREATE FUNCTION of_row(t) RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMENT ON TABLE t IS 'of rows';"
            "CREATE RULE nothing AS ON DELETE TO child DO INSTEAD NOTHING; GRANT SELECT (v) ON t TO PUBLIC");
        return {sql().number("SELECT 't'::regclass::oid"), sql().number("SELECT 'child'::regclass::oid")};
    }
};

// With sequential scans switched off, only a question for which there is no index still makes one.
TEST_F(catalog_indexes, NoCatalogThatGrowsWithTheTablesIsReadWhole) {
    const std::vector<std::int64_t> both = make_two();
    await(session().begin());
    await(session().execute("SET LOCAL enable_seqscan = off"));
    await(catalog::fingerprint(session(), both.front()));
    await(catalog::read_definition(session(), both.front()));
    await(catalog::names_of_dependents(session(), both.front()));
    await(catalog::read_definitions(session(), both));
    pg::inquiry ask(session(), both);
    await(catalog::still_has_fingerprint(ask, both.front(), ""));
    await(catalog::names_of_dependents(ask, both.front()));
    const pg::result read_whole = await(session().query(
        "SELECT coalesce(string_agg(relname, ', '), '') FROM pg_stat_xact_sys_tables WHERE seq_scan > 0 AND relname IN "
        "('pg_class', 'pg_type', 'pg_attribute', 'pg_attrdef', 'pg_constraint', 'pg_index', 'pg_depend', 'pg_rewrite', "
        "'pg_trigger', 'pg_proc', 'pg_description')"));
    EXPECT_EQ(read_whole.text(0, 0), "");
    await(session().rollback());
}

TEST_F(catalog_indexes, SeveralTablesAreReadAtOnceAsEachByItself) {
    const std::vector<std::int64_t> both = make_two();
    await(session().begin());
    std::vector<catalog::table> together = await(catalog::read_definitions(session(), both));
    ASSERT_EQ(together.size(), both.size());
    pg::inquiry ask(session(), both);
    for (std::size_t place = 0; place < both.size(); ++place) {
        const std::int64_t oid = both[place];
        catalog::table alone = await(catalog::read_definition(session(), oid));
        EXPECT_EQ(catalog::definition_in_swap(std::move(together[place])),
                  catalog::definition_in_swap(std::move(alone)));
        EXPECT_TRUE(await(catalog::still_has_fingerprint(ask, oid, await(catalog::fingerprint(session(), oid)))));
        EXPECT_EQ(await(catalog::names_of_dependents(ask, oid)), await(catalog::names_of_dependents(session(), oid)));
    }
    const pg::result row = await(ask.ask("SELECT relname FROM pg_class WHERE oid = $1", both.back()));
    EXPECT_EQ(row.text(0, 0), "child");
    const pg::result again = await(ask.ask("SELECT relname FROM pg_class WHERE oid = $1", both.back()));
    EXPECT_EQ(again.text(0, "relname"), "child");
    await(session().rollback());
}

}  // namespace
}  // namespace pgeist::test
