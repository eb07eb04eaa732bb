// The way back, stepped by hand: each interleaving that could lose what the old table has of its own, or bring back
// what is dead. See replay::apply().

#include <thread>

#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/replay/truncated.hpp"
#include "support/wait_for.hpp"
#include "way_back_fixture.hpp"

namespace pgeist::test {
namespace {

/// Prices lose their cents on the way there, `secret` is dropped, `name` has become `title`, `fresh` is new.
class way_back : public way_back_test {
protected:
    void start() {
        sql().execute(
            "CREATE TABLE o (id int PRIMARY KEY, name text, price numeric(8,2), secret text DEFAULT 'none');"
            "CREATE TABLE n (id bigint PRIMARY KEY, title text, price int, fresh int DEFAULT 7);"
            "INSERT INTO o SELECT i, 'row ' || i, i + 0.25, 'secret ' || i FROM generate_series(1, 5) AS i");
        begin({{"id", "id", ""}, {"title", "name", ""}, {"price", "price", ""}, {"fresh", "", "7"}});
        EXPECT_EQ(spec().mode, transfer::replay_mode::keep);
    }

    /// One row of the old table.
    std::string old_row(int id) {
        return sql().scalar("SELECT coalesce((SELECT format('%s', ROW(name, price, secret)) FROM o WHERE id = " +
                            std::to_string(id) + "), 'none')");
    }

    /// What is logged from now on stands in another block.
    void next_block() { sql().execute("INSERT INTO back.pgeist_log (k1) SELECT -1 FROM generate_series(1, 300)"); }

    static replay::selection block(std::int64_t first, std::int64_t end) {
        replay::selection rows;
        rows.within = replay::selection::block_range{first, end};
        return rows;
    }
};

TEST_F(way_back, WhatNobodyHasChangedStaysBitForBit) {
    start();
    sql().execute("UPDATE n SET title = 'new' WHERE id = 1; UPDATE n SET price = 10 WHERE id = 2");
    replay();
    EXPECT_EQ(old_row(1), R"((new,1.25,"secret 1"))") << "1.25 is what the new table calls 1";
    EXPECT_EQ(old_row(2), R"(("row 2",10.00,"secret 2"))");
    EXPECT_EQ(old_row(3), R"(("row 3",3.25,"secret 3"))");
    compare();
}

TEST_F(way_back, ANewRowHasWhatTheOldTableGivesIt) {
    start();
    sql().execute("INSERT INTO n VALUES (6, 'six', 6); DELETE FROM n WHERE id = 1");
    replay();
    EXPECT_EQ(old_row(6), "(six,6.00,none)");
    EXPECT_EQ(old_row(1), "none");
    sql().execute("UPDATE o SET secret = 'by default' WHERE id = 6; UPDATE n SET price = 66 WHERE id = 6");
    replay();
    EXPECT_EQ(old_row(6), R"((six,66.00,"by default"))") << "it has lived since";
    compare();
}

// I3. Without the births in the log the new row has 'secret 1'.
TEST_F(way_back, ARowUnderAReusedKeyGetsNothingOfTheDeadOne) {
    start();
    sql().execute("DELETE FROM n WHERE id = 1; INSERT INTO n VALUES (1, 'another', 1)");
    replay();
    EXPECT_EQ(old_row(1), "(another,1.00,none)");
    compare();
}

// The same, with the log rows of both in two batches: whichever is first, it ends well.
TEST_F(way_back, ADeathAndABirthInTwoBatchesEndAsABirth) {
    start();
    sql().execute("DELETE FROM n WHERE id = 1");
    next_block();
    sql().execute("INSERT INTO n VALUES (1, 'another', 1); DELETE FROM n WHERE id = 2");
    next_block();
    sql().execute("INSERT INTO n VALUES (2, 'other', 2)");
    const auto birth_of_2 =
        sql().number("SELECT (max(ctid)::text::point)[0]::bigint FROM back.pgeist_log WHERE born IS NOT NULL");
    replay(block(birth_of_2, birth_of_2 + 1));
    EXPECT_EQ(old_row(2), "(other,2.00,none)") << "the death of 2 is still in the log";
    replay(block(0, 1));
    EXPECT_EQ(sql().number("SELECT count(*) FROM back.pgeist_log WHERE k1 = 1"), 1) << "the birth";
    replay(block(0, 100));
    EXPECT_EQ(old_row(1), "(another,1.00,none)");
    EXPECT_EQ(old_row(2), "(other,2.00,none)");
    compare();
}

// I4. Without links a row whose key changes is deleted and made anew: its secret is gone.
TEST_F(way_back, ARowKeepsItsOwnUnderANewKey) {
    start();
    sql().execute(
        "UPDATE n SET id = 11 WHERE id = 1; UPDATE n SET id = 12 WHERE id = 11; UPDATE n SET title = 'x' WHERE id = "
        "12");
    replay();
    EXPECT_EQ(old_row(12), R"((x,1.25,"secret 1"))");
    EXPECT_EQ(old_row(11), "none");
    EXPECT_EQ(old_row(1), "none");
    EXPECT_EQ(sql().number("SELECT count(*) FROM back.pgeist_links"), 0);
    compare();
}

// Keys that go round: each must be led back to the row that it was, not to the one that has its key now.
TEST_F(way_back, KeysThatChangePlacesKeepTheirRows) {
    start();
    sql().execute(
        "UPDATE n SET id = 100 WHERE id = 1; UPDATE n SET id = 1 WHERE id = 2; UPDATE n SET id = 2 WHERE id = 100;"
        "DELETE FROM n WHERE id = 3; UPDATE n SET id = 3 WHERE id = 4; INSERT INTO n VALUES (4, 'young', 4);"
        "UPDATE n SET id = 50 WHERE id = 5; DELETE FROM n WHERE id = 50; INSERT INTO n VALUES (50, 'younger', 50)");
    replay();
    EXPECT_EQ(old_row(1), R"(("row 2",2.25,"secret 2"))");
    EXPECT_EQ(old_row(2), R"(("row 1",1.25,"secret 1"))");
    EXPECT_EQ(old_row(3), R"(("row 4",4.25,"secret 4"))");
    EXPECT_EQ(old_row(4), "(young,4.00,none)");
    EXPECT_EQ(old_row(50), "(younger,50.00,none)");
    EXPECT_EQ(old_row(5), "none");
    compare();
}

// In one statement a row leaves a key and another comes to it, and the log says it in another order than it was.
TEST_F(way_back, OneStatementDeletesARowAndGivesItsKeyToAnother) {
    start();
    if (sql().server_major() >= 15) {
        sql().execute(
            "MERGE INTO n USING (VALUES (1), (2)) AS v (id) ON n.id = v.id WHEN MATCHED AND n.id = 1 THEN DELETE "
            "WHEN MATCHED THEN UPDATE SET id = 1");
    } else {
        sql().execute("DELETE FROM n WHERE id = 1; UPDATE n SET id = 1 WHERE id = 2");
    }
    replay();
    EXPECT_EQ(old_row(1), R"(("row 2",2.25,"secret 2"))");
    EXPECT_EQ(old_row(2), "none");
    compare();
}

/// Triggers of the application that write to the table itself, by a name that comes before those of ours.
class way_back_nested : public way_back {
protected:
    void on(const std::string& event, const std::string& statement) {
        start();
        sql().execute(
            "CREATE FUNCTION nested() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF pg_trigger_depth() < 2 THEN " +
            statement + "; END IF; RETURN NULL; END $$; CREATE TRIGGER \" a\" AFTER " + event +
            " ON n FOR EACH ROW EXECUTE FUNCTION nested()");
    }
};

// A row made, and its key changed, in one: logged by a trigger that fires after theirs, the birth would come last.
TEST_F(way_back_nested, AKeyIsChangedWhereItsRowIsMade) {
    on("INSERT", "UPDATE n SET id = NEW.id + 100 WHERE id = NEW.id; UPDATE n SET id = NEW.id WHERE id = NEW.id - 1");
    sql().execute("DELETE FROM n WHERE id = 5; INSERT INTO n VALUES (5, 'young', 5)");
    replay();
    EXPECT_EQ(old_row(105), "(young,5.00,none)") << "it is not the dead row 5";
    EXPECT_EQ(old_row(5), R"(("row 4",4.25,"secret 4"))");
    EXPECT_EQ(old_row(4), "none");
    compare();
}

TEST_F(way_back_nested, ARowIsMadeWhereAnotherLeavesItsKey) {
    on("UPDATE", "INSERT INTO n VALUES (OLD.id, 'young', OLD.id)");
    sql().execute("UPDATE n SET id = 11 WHERE id = 1");
    replay();
    EXPECT_EQ(old_row(11), R"(("row 1",1.25,"secret 1"))");
    EXPECT_EQ(old_row(1), "(young,1.00,none)");
    compare();
}

TEST_F(way_back_nested, AKeyIsChangedAgain) {
    on("UPDATE", "UPDATE n SET id = NEW.id + 100 WHERE id = NEW.id");
    sql().execute("UPDATE n SET id = 11 WHERE id = 1");
    replay();
    EXPECT_EQ(old_row(111), R"(("row 1",1.25,"secret 1"))");
    EXPECT_EQ(old_row(11), "none");
    compare();
}

TEST_F(way_back_nested, ADeadRowIsMadeAnewAndItsKeyGivenAway) {
    on("DELETE",
       "INSERT INTO n VALUES (OLD.id, 'young', 9); UPDATE n SET id = 90 WHERE id = OLD.id; UPDATE n SET id = OLD.id "
       "WHERE id = OLD.id + 1");
    sql().execute("DELETE FROM n WHERE id = 1");
    replay();
    EXPECT_EQ(old_row(90), "(young,9.00,none)");
    EXPECT_EQ(old_row(1), R"(("row 2",2.25,"secret 2"))");
    EXPECT_EQ(old_row(2), "none");
    compare();
}

// Also among the rows of one statement: the first one's trigger takes the second one's place.
TEST_F(way_back_nested, OneStatementMakesTwoRows) {
    on("INSERT", "UPDATE n SET id = 200 WHERE id = NEW.id + 1");
    sql().execute("DELETE FROM n WHERE id IN (4, 5); INSERT INTO n VALUES (4, 'a', 4), (5, 'b', 5)");
    replay();
    EXPECT_EQ(old_row(4), "(a,4.00,none)");
    EXPECT_EQ(old_row(200), "(b,5.00,none)") << "it is not the dead row 5";
    compare();
}

// The application never fails because of what others do to the key's columns, and what could not be logged is not lost
// from sight when they undo it.
TEST_F(way_back, AColumnOfTheKeyIsRenamed) {
    start();
    sql().execute(
        "ALTER TABLE n DROP COLUMN fresh; ALTER TABLE n RENAME id TO number; INSERT INTO n VALUES (6, 'six', 6); "
        "UPDATE n "
        "SET number = 66 WHERE number = 6");
    EXPECT_EQ(log_rows(), 1) << "a key that was left: a row's trigger knows no names";
    EXPECT_EQ(sql().number("SELECT count(*) FROM back.pgeist_links WHERE k1 = 66"), 1);
    sql().execute("ALTER TABLE n RENAME number TO id");
    EXPECT_FALSE(await(capture::in_place(session(), spec()))) << "one of an UPDATE's does";
    EXPECT_EQ(await(capture::truncations(session(), spec())), 0);
    sql().execute(
        "ALTER TABLE n RENAME id TO number; ALTER TABLE n RENAME title TO id; DELETE FROM n WHERE number = 1; ALTER "
        "TABLE n "
        "DROP number CASCADE; UPDATE n SET id = 'x'; DELETE FROM n; TRUNCATE n");
    EXPECT_NE(await(capture::why_not_in_place(session(), spec())).value_or("").find("dropped or disabled"),
              std::string::npos);
}

// The same where rows are logged by statements alone.
TEST_F(way_back, AColumnOfTheKeyIsRenamedInTheFastMode) {
    sql().execute("CREATE TABLE o (id int PRIMARY KEY, v text); CREATE TABLE n (id bigint PRIMARY KEY, v text)");
    begin({{"id", "id", ""}, {"v", "v", ""}});
    EXPECT_EQ(spec().mode, transfer::replay_mode::replace);
    sql().execute("INSERT INTO n VALUES (1, 'a'); ALTER TABLE n RENAME id TO number; INSERT INTO n VALUES (2, 'b')");
    EXPECT_EQ(log_rows(), 1);
    EXPECT_NE(await(capture::why_not_in_place(session(), spec())).value_or("").find("renamed"), std::string::npos);
    sql().execute(
        "UPDATE n SET v = 'c'; UPDATE n SET number = 3 WHERE number = 2; DELETE FROM n; ALTER TABLE n RENAME number TO "
        "id");
    EXPECT_FALSE(await(capture::in_place(session(), spec())));
}

// I5. The link in one batch, a row born under the old key in another, which is first: were that not taken for a part of
// the same whole, the old row would be gone when the link asks for it.
TEST_F(way_back, ALinkMakesTheWholeLogOneBatch) {
    start();
    sql().execute("UPDATE n SET id = 11 WHERE id = 1");
    next_block();
    sql().execute("INSERT INTO n VALUES (1, 'reused', 1)");
    const auto last = sql().number("SELECT (max(ctid)::text::point)[0]::bigint FROM back.pgeist_log");
    replay(block(last, last + 1));
    EXPECT_EQ(old_row(11), R"(("row 1",1.25,"secret 1"))");
    EXPECT_EQ(old_row(1), "(reused,1.00,none)");
    EXPECT_EQ(log_rows(), 0);
    compare();
}

// The same among several sessions: the first share that sees the link gives the whole to one.
TEST_F(way_back, SharesAreGivenUpForALink) {
    start();
    sql().execute(
        "INSERT INTO n SELECT i, 'many', i FROM generate_series(1000, 3000) AS i; UPDATE n SET id = id + 10000 WHERE "
        "id < 6");
    replay::replayer changes(parts(), 3);
    await(changes.pass());
    EXPECT_EQ(old_row(10003), R"(("row 3",3.25,"secret 3"))");
    EXPECT_EQ(sql().number("SELECT count(*) FROM o"), 2006);
    compare();
}

// A writer has changed a key and has not committed: what replay sees fits together all the same.
TEST_F(way_back, AKeyIsChangedByATransactionThatIsOpen) {
    start();
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE n SET id = 11 WHERE id = 1; UPDATE n SET title = 'open' WHERE id = 2");
    sql().execute("UPDATE n SET title = 'done' WHERE id = 3");
    replay();
    EXPECT_EQ(old_row(3), R"((done,3.25,"secret 3"))");
    EXPECT_EQ(old_row(1), R"(("row 1",1.25,"secret 1"))");
    writer.execute("UPDATE n SET id = 12 WHERE id = 11; COMMIT; INSERT INTO n VALUES (1, 'next', 1)");
    replay();
    EXPECT_EQ(old_row(12), R"(("row 1",1.25,"secret 1"))");
    EXPECT_EQ(old_row(1), "(next,1.00,none)");
    compare();
}

TEST_F(way_back, UniqueValuesChangePlacesBetweenRows) {
    sql().execute(
        "CREATE TABLE o (id int PRIMARY KEY, u int UNIQUE, secret text);"
        "CREATE TABLE n (id bigint PRIMARY KEY, u int UNIQUE DEFERRABLE);"
        "INSERT INTO o SELECT i, i, 'secret ' || i FROM generate_series(1, 4) AS i");
    begin({{"id", "id", ""}, {"u", "u", ""}});
    sql().execute("UPDATE n SET u = 5 - u");
    replay();
    expect_old("id, u, secret", R"((1,4,"secret 1") (2,3,"secret 2") (3,2,"secret 3") (4,1,"secret 4"))");
    compare();
}

// I8. Rows of before the TRUNCATE have died, whatever key they had.
TEST_F(way_back, ATruncatedTableIsBroughtBackAnew) {
    start();
    sql().execute(
        "UPDATE n SET title = 'before' WHERE id = 2; TRUNCATE n; INSERT INTO n VALUES (1, 'after', 1), (9, 'nine', 9)");
    EXPECT_EQ(await(capture::truncations(session(), spec())), 1);
    sync_connection writer = db().connect();
    writer.execute("BEGIN; INSERT INTO n VALUES (3, 'late', 3)");
    await(replay::begin_anew(parts()));
    EXPECT_EQ(await(capture::truncations(session(), spec())), 0);
    writer.execute("COMMIT");
    replay();
    expect_old("id, name, price, secret", "(1,after,1.00,none) (3,late,3.00,none) (9,nine,9.00,none)");
    compare();
}

// A TRUNCATE that comes while the keys are logged is not forgotten with the one before.
TEST_F(way_back, ASecondTruncateIsFound) {
    start();
    sql().execute("TRUNCATE n; INSERT INTO n VALUES (1, 'one', 1)");
    sync_connection blocker = db().connect();
    blocker.execute("BEGIN; SELECT FROM o LIMIT 0");
    std::jthread other([&] {
        sync_connection writer = db().connect();
        wait_for("the TRUNCATE of the old table waits", [&] {
            return writer.number("SELECT count(*) FROM pg_locks WHERE relation = 'o'::regclass AND NOT granted") > 0;
        });
        writer.execute("TRUNCATE n; INSERT INTO n VALUES (2, 'two', 2)");
        blocker.execute("COMMIT");
    });
    await(replay::begin_anew(parts()));
    other.join();
    EXPECT_EQ(await(capture::truncations(session(), spec())), 1);
    await(replay::begin_anew(parts()));
    replay();
    expect_old("id, name, price, secret", "(2,two,2.00,none)");
    compare();
}

TEST_F(way_back, CaptureEndsWithoutALock) {
    start();
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE n SET title = 'open' WHERE id = 1");
    EXPECT_TRUE(await(capture::in_place(session(), spec())));
    sql().execute("SET lock_timeout = '1s'");
    sql().execute(capture::switch_off_sql(spec()));
    EXPECT_NE(await(capture::why_not_in_place(session(), spec())).value_or("").find("not logged any more"),
              std::string::npos);
    writer.execute(
        "UPDATE n SET title = 'more' WHERE id = 2; INSERT INTO n VALUES (77, 'x', 1); UPDATE n SET id = 78 WHERE id = "
        "77; "
        "DELETE FROM n WHERE id = 78; COMMIT");
    EXPECT_EQ(log_rows(), 1) << "what was written before";
    writer.execute("TRUNCATE n");
    EXPECT_EQ(await(capture::truncations(session(), spec())), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM back.pgeist_links"), 0);
}

// The triggers are there before they are needed, and do nothing: replay of the way there writes to the table.
TEST_F(way_back, DormantTriggersLogNothing) {
    start();
    sql().execute(capture::drop_triggers_sql(spec(), {"public", "n"}));
    sql().execute(capture::dormant_triggers_sql(spec(), {"public", "n"}));
    sql().execute(
        "SET session_replication_role = replica; UPDATE n SET title = 'r' WHERE id = 1; RESET session_replication_role;"
        "UPDATE n SET title = 'x', id = 99 WHERE id = 1; TRUNCATE n");
    EXPECT_EQ(log_rows(), 0);
    EXPECT_EQ(await(capture::truncations(session(), spec())), 0);
    EXPECT_FALSE(await(capture::in_place(session(), spec())));
    sql().execute("BEGIN; " + capture::enable_sql(spec(), {"public", "n"}) + "; COMMIT");
    EXPECT_TRUE(await(capture::in_place(session(), spec())));
    sql().execute("SET session_replication_role = replica; INSERT INTO n VALUES (1, 'x', 1)");
    EXPECT_EQ(log_rows(), 1);
    sql().execute("ALTER TABLE n DISABLE TRIGGER back_update; ALTER TABLE n ENABLE ALWAYS TRIGGER back_update");
    EXPECT_FALSE(await(capture::in_place(session(), spec()))) << "what was written in between is not logged";
}

/// The same by row triggers.
class way_back_by_rows : public way_back {
protected:
    void SetUp() override {
        row_triggers_ = true;
        way_back::SetUp();
    }
};

TEST_F(way_back_by_rows, BirthsAndLinksAreLogged) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id = 1; INSERT INTO n VALUES (1, 'another', 1); UPDATE n SET id = 22 WHERE id = 2; "
        "UPDATE n SET title = 'x' WHERE id = 3; INSERT INTO n VALUES (4, '', 0) ON CONFLICT (id) DO UPDATE SET title = "
        "'upsert'");
    replay();
    EXPECT_EQ(old_row(1), "(another,1.00,none)");
    EXPECT_EQ(old_row(22), R"(("row 2",2.25,"secret 2"))");
    EXPECT_EQ(old_row(3), R"((x,3.25,"secret 3"))");
    EXPECT_EQ(old_row(4), R"((upsert,4.25,"secret 4"))");
    compare();
}

}  // namespace
}  // namespace pgeist::test
