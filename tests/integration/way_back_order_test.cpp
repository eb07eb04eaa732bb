// In which order rows come under their keys, where a statement that makes rows has not ended yet when keys change: by
// triggers and functions that it calls, or by its own doing. Births are logged when it ends. See
// triggers/keep_history.sql.

#include "support/workload.hpp"
#include "way_back_fixture.hpp"

namespace pgeist::test {
namespace {

/// The old table has a `secret` for each row, which the new one has not: none for those made since.
class way_back_order : public way_back_test {
protected:
    void start(int rows = 5) {
        sql().execute(
            "CREATE TABLE o (id int PRIMARY KEY, name text, secret text DEFAULT 'none');"
            "CREATE TABLE n (id bigint PRIMARY KEY, name text);"
            "INSERT INTO o SELECT i, 'row ' || i, 'secret ' || i FROM generate_series(1, " +
            std::to_string(rows) + ") AS i");
        begin({{"id", "id", ""}, {"name", "name", ""}});
        ASSERT_EQ(spec().mode, transfer::replay_mode::keep);
        sql().execute(
            "CREATE FUNCTION act(what text, gives int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN EXECUTE what; RETURN "
            "gives; END $$");
    }

    void before_insert(const std::string& statement) {
        sql().execute(
            "CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() < 2 THEN " +
            statement +
            "; END IF; RETURN NEW; END $$; CREATE TRIGGER nested BEFORE INSERT ON n FOR EACH ROW EXECUTE FUNCTION "
            "nested()");
    }

    /// After one pass over the log: the same rows on both sides, each with the secret that `its_own` gives for it.
    void expect_secrets(const std::string& its_own) {
        replay();
        EXPECT_EQ(log_rows(), 0);
        EXPECT_EQ(
            sql().scalar(
                "SELECT coalesce(string_agg(format('%s', o), ' ' ORDER BY id), '') FROM o WHERE secret <> CASE WHEN " +
                its_own + " ELSE 'none' END"),
            "")
            << "has what another row had";
        EXPECT_EQ(
            sql().number("SELECT count(*) FROM o FULL JOIN n USING (id, name) WHERE o.id IS NULL OR n.id IS NULL"), 0);
    }

    /// Of all rows: what the name says that they are.
    void expect_each_its_own() {
        expect_secrets("name LIKE 'row %' THEN 'secret ' || substr(name, 5)");
        EXPECT_EQ(births_beside_the_log(), 0);
        compare();
    }

    int births_beside_the_log() {
        return static_cast<int>(sql().number("SELECT count(*) FROM " + spec().births().sql()));
    }
};

// Of most statements nothing is noted beside the log.
TEST_F(way_back_order, StatementsWithoutLinksBeforeThemAreLoggedOnly) {
    start();
    sql().execute("INSERT INTO n SELECT i, 'young' FROM generate_series(10, 19) AS i");
    EXPECT_EQ(births_beside_the_log(), 0);
    EXPECT_EQ(sql().number("SELECT count(DISTINCT born) FROM back.pgeist_log"), 10);
    sql().execute(
        "BEGIN; UPDATE n SET id = 30 WHERE id = 3; INSERT INTO n SELECT i, 'young' FROM generate_series(20, "
        "22) AS i; COMMIT");
    EXPECT_EQ(births_beside_the_log(), 3);
    expect_each_its_own();
}

TEST_F(way_back_order, AKeyIsLeftBeforeTheStatementThatMakesAnotherRowUnderIt) {
    start();
    sql().execute(
        "BEGIN; UPDATE n SET id = 11 WHERE id = 1; INSERT INTO n VALUES (1, 'young'); UPDATE n SET id = 12 WHERE id = "
        "2; INSERT INTO n VALUES (20, 'young'), (2, 'young'); COMMIT");
    expect_each_its_own();
}

TEST_F(way_back_order, ATriggerMakesRoomForTheRow) {
    start();
    before_insert("UPDATE n SET id = id + 100 WHERE id = NEW.id");
    sql().execute("INSERT INTO n VALUES (1, 'young'), (9, 'young'), (2, 'young')");
    expect_each_its_own();
}

// The rows before it are there already, those behind it not yet.
TEST_F(way_back_order, ATriggerGivesTheKeyOfARowJustMadeToAnOldOne) {
    start();
    sql().execute("DELETE FROM n WHERE id IN (4, 5)");
    before_insert("IF NEW.id = 5 THEN UPDATE n SET id = 40 WHERE id = 4; UPDATE n SET id = 4 WHERE id = 1; END IF");
    sql().execute("INSERT INTO n VALUES (4, 'young'), (5, 'young'), (1, 'young')");
    expect_each_its_own();
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 4"), "secret 1");
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 40"), "none") << "it is not the dead row 4";
}

TEST_F(way_back_order, AFunctionInTheQueryChangesKeys) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id = 5; INSERT INTO n SELECT i, 'young' FROM (SELECT i, CASE i WHEN 6 THEN act('UPDATE n "
        "SET id = 50 WHERE id = 5; UPDATE n SET id = 5 WHERE id = 1', 0) END FROM generate_series(5, 7) AS i OFFSET 0) "
        "AS x (i)");
    expect_each_its_own();
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 5"), "secret 1");
}

TEST_F(way_back_order, RowsAreMadeWhileOthersAre) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id IN (3, 4, 5); INSERT INTO n SELECT i, 'young' FROM (SELECT i, CASE i WHEN 4 THEN "
        "act('INSERT INTO n VALUES (60, $x$young$x$), (61, $x$young$x$); UPDATE n SET id = 30 WHERE id = 3; UPDATE n "
        "SET id = 3 WHERE id = 1; INSERT INTO n VALUES (1, $x$young$x$)', 0) END FROM generate_series(3, 5) AS i "
        "OFFSET 0) AS x (i)");
    expect_each_its_own();
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 3"), "secret 1");
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 30"), "none");
}

// The first young row 5 has left its key to row 1, which has died; the second one is not row 1.
TEST_F(way_back_order, AStatementMakesTwoRowsUnderOneKey) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id = 5; INSERT INTO n SELECT k, 'young ' || i FROM (SELECT i, k, CASE i WHEN 2 THEN "
        "act('UPDATE n SET id = 50 WHERE id = 5; UPDATE n SET id = 5 WHERE id = 1; DELETE FROM n WHERE id = 5', 0) END "
        "FROM (VALUES (1, 5), (2, 6), (3, 5)) AS x (i, k) OFFSET 0) AS y (i, k)");
    expect_each_its_own();
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 5"), "none");
}

// Each of many rows is one more step, not one more for each of them.
TEST_F(way_back_order, ManyRowsAndManyLinks) {
    start(2);
    before_insert("UPDATE n SET id = id + 100000 WHERE id = NEW.id");
    sql().execute(
        "BEGIN; UPDATE n SET id = id + 50000; DO $$ BEGIN FOR i IN 1 .. 3000 LOOP INSERT INTO n VALUES (i, 'young'); "
        "END "
        "LOOP; END $$; INSERT INTO n SELECT i, 'young' FROM generate_series(1, 3000) AS i; COMMIT");
    EXPECT_EQ(births_beside_the_log(), 6000);
    expect_each_its_own();
}

// A link that was rolled back leaves births that nobody asks for.
TEST_F(way_back_order, BirthsWithoutLinksGoWithTheNextVacuum) {
    start();
    sql().execute(
        "BEGIN; SAVEPOINT a; UPDATE n SET id = 50 WHERE id = 5; ROLLBACK TO a; INSERT INTO n SELECT i, 'young' FROM "
        "generate_series(10, 20) AS i; COMMIT");
    EXPECT_EQ(births_beside_the_log(), 11);
    replay::replayer changes(parts());
    await(changes.pass());
    EXPECT_EQ(births_beside_the_log(), 11);
    await(changes.vacuum());
    EXPECT_EQ(births_beside_the_log(), 0);
    expect_each_its_own();
}

TEST_F(way_back_order, KeysChangeWhenTheRowsAreReturned) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id = 5; INSERT INTO n VALUES (5, 'young'), (6, 'young') RETURNING CASE WHEN id = 5 THEN "
        "act('UPDATE n SET id = 50 WHERE id = 5; UPDATE n SET id = 5 WHERE id = 2', 0) END");
    expect_each_its_own();
    EXPECT_EQ(sql().scalar("SELECT secret FROM o WHERE id = 5"), "secret 2");
}

TEST_F(way_back_order, OneStatementChangesKeysAndMakesRows) {
    start();
    sql().execute(
        "WITH moved AS (UPDATE n SET id = id + 100 WHERE id < 3 RETURNING id) INSERT INTO n SELECT id - 100, "
        "'young' FROM moved");
    if (sql().server_major() >= 15) {
        sql().execute(
            "MERGE INTO n USING (VALUES (3), (103), (4), (9)) AS v (id) ON n.id = v.id WHEN MATCHED THEN UPDATE SET id "
            "= n.id + 200 WHEN NOT MATCHED THEN INSERT VALUES (v.id, 'young')");
    }
    expect_each_its_own();
}

// What was rolled back counts as inserted; so does what a statement has inserted before it failed.
TEST_F(way_back_order, RowsThatWereTakenBackInBetween) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id = 5; BEGIN; INSERT INTO n VALUES (70, 'young'); SAVEPOINT a; INSERT INTO n VALUES (71, "
        "'young'), (72, 'young'); ROLLBACK TO a; UPDATE n SET id = 10 WHERE id = 1; SAVEPOINT b; INSERT INTO n VALUES "
        "(1, 'young'); ROLLBACK TO b; INSERT INTO n VALUES (1, 'young'), (5, 'young'); UPDATE n SET id = 50 WHERE id = "
        "5; DO $$ BEGIN INSERT INTO n VALUES (80, 'young'), (1, 'there is one'); EXCEPTION WHEN unique_violation THEN "
        "NULL; END $$; INSERT INTO n VALUES (5, 'young'); COMMIT");
    expect_each_its_own();
}

TEST_F(way_back_order, TheColumnsAreCalledAsWhatTheFunctionsUse) {
    sql().execute(
        "CREATE TABLE o (number int, tg_relid int, name text, secret text DEFAULT 'none', statement int, changed int, "
        "PRIMARY KEY (number, tg_relid)); CREATE TABLE n (number int, tg_relid int, name text, statement int, changed "
        "int, PRIMARY KEY (number, tg_relid)); INSERT INTO o SELECT i, i, 'row ' || i, 'secret ' || i, i, i FROM "
        "generate_series(1, 3) AS i");
    begin({{"number", "number", ""},
           {"tg_relid", "tg_relid", ""},
           {"name", "name", ""},
           {"statement", "statement", ""},
           {"changed", "changed", ""}});
    sql().execute(
        "BEGIN; UPDATE n SET number = 11 WHERE number = 1; INSERT INTO n VALUES (1, 1, 'young', 0, 0); COMMIT");
    EXPECT_EQ(births_beside_the_log(), 1);
    replay();
    expect_old("number, tg_relid, secret", "(1,1,none) (2,2,\"secret 2\") (3,3,\"secret 3\") (11,1,\"secret 1\")");
}

/// Luck: statements that make rows, and triggers and functions that do anything to others meanwhile. All names differ,
/// and never change; rows that have lived through a batch have a secret of their own from then on.
class way_back_order_random : public way_back_order {
protected:
    void start_with(std::uint64_t seed) {
        start(20);
        sql().execute(
            "CREATE SEQUENCE names; CREATE TABLE known AS SELECT name FROM o; UPDATE o SET secret = 'of ' || name;"
            "CREATE FUNCTION some_key() RETURNS int LANGUAGE sql VOLATILE AS 'SELECT 1 + (random() * 29)::int';"
            "CREATE FUNCTION young() RETURNS text LANGUAGE sql VOLATILE AS $$SELECT 'young ' || nextval('names')$$;"
            // Nothing fails in it: that is told wrong, see keep_history.sql.
            "CREATE FUNCTION anything() RETURNS int LANGUAGE plpgsql AS $$ DECLARE a int := some_key(); b int := "
            "some_key(); BEGIN CASE (random() * 6)::int "
            "WHEN 0 THEN DELETE FROM n WHERE id = a; "
            "WHEN 1, 2, 3 THEN UPDATE n SET id = b WHERE id = a AND NOT EXISTS (SELECT FROM n WHERE id = b); "
            "WHEN 4 THEN UPDATE n SET id = -1 WHERE id = a; UPDATE n SET id = a WHERE id = b AND a <> b; UPDATE n SET "
            "id = b WHERE id = -1; "
            "WHEN 5 THEN INSERT INTO n SELECT key, young() FROM (SELECT DISTINCT some_key() AS key FROM "
            "generate_series(1, 3)) AS x ON CONFLICT DO NOTHING; "
            "ELSE NULL; END CASE; RETURN 0; END $$;"
            "CREATE FUNCTION meanwhile() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() < 4 AND "
            "random() < 0.4 THEN PERFORM anything(); END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER \" first\" BEFORE INSERT ON n FOR EACH ROW EXECUTE FUNCTION meanwhile();"
            "CREATE TRIGGER \" then\" AFTER INSERT OR DELETE ON n FOR EACH ROW EXECUTE FUNCTION meanwhile();"
            "CREATE TRIGGER \"~ at last\" AFTER INSERT ON n FOR EACH STATEMENT EXECUTE FUNCTION meanwhile();");
        sql().query("SELECT setseed($1::bigint % 1000000 / 1000000.0)", {std::to_string(seed)});
    }

    void one_transaction() {
        sql().execute(
            "DO $$ BEGIN FOR i IN 1 .. 1 + (random() * 3)::int LOOP IF random() < 0.3 THEN PERFORM anything(); ELSE "
            "INSERT INTO n SELECT key, CASE WHEN random() < 0.2 AND anything() > 0 THEN '' ELSE young() END FROM "
            "(SELECT some_key() AS key FROM generate_series(1, 6) OFFSET 0) AS x ON CONFLICT DO NOTHING; END IF; END "
            "LOOP; END $$");
    }

    void expect_known_rows_to_have_lived() {
        expect_secrets("name IN (TABLE known) THEN 'of ' || name");
        sql().execute("UPDATE o SET secret = 'of ' || name; TRUNCATE known; INSERT INTO known SELECT name FROM o");
    }
};

TEST_F(way_back_order_random, Statements) {
    const std::uint64_t seed = workload_seed();
    SCOPED_TRACE("PGEIST_SEED=" + std::to_string(seed));
    start_with(seed);
    int noted = 0;
    for (int batch = 0; batch < 150 && !HasFailure(); ++batch) {
        one_transaction();
        one_transaction();
        noted += births_beside_the_log();
        expect_known_rows_to_have_lived();
    }
    EXPECT_GT(noted, 0);
    compare();
}

}  // namespace
}  // namespace pgeist::test
