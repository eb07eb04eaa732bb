// A value that nobody has touched since the swap is the old one, bit for bit, also where the change computed it from
// others, or by chance; one that was touched is what the new table has. Stepped by hand: each interleaving that could
// take the one for the other.

#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/replay/truncated.hpp"
#include "pgeist/transfer/verify/verifier.hpp"
#include "way_back_fixture.hpp"

namespace pgeist::test {
namespace {

/// The totals of `o` are as they are; `n` has price * quantity instead, prices without cents, and a draw for each row.
class touched : public way_back_test {
protected:
    void start(const std::map<std::string, std::string>& sets = {}) {
        sql().execute(
            "CREATE TABLE o (id int PRIMARY KEY, name varchar(8), price numeric(8,2), quantity int, total numeric, "
            "draw int, note text DEFAULT 'none');"
            "CREATE TABLE n (id int PRIMARY KEY, name text, price int, quantity int, total numeric, draw int);"
            "INSERT INTO o SELECT i, 'row ' || i, i + 0.25, 10, 0.10, i, 'note ' || i FROM generate_series(1, 6) AS i");
        begin({{"id", "id", ""},
               {"name", "name", ""},
               {"price", "price", ""},
               {"quantity", "quantity", ""},
               {"total", "total", R"("price" * "quantity")"},
               {"draw", "draw", R"("draw" + (random() * 100)::int)", false}},
              sets);
    }

    /// One row of the old table: price, quantity, total and draw.
    std::string old_row(int id) {
        return sql().scalar(
            "SELECT coalesce((SELECT format('%s', ROW(price, quantity, total, draw)) FROM o WHERE id = " +
            std::to_string(id) + "), 'none')");
    }

    std::string note(int id) { return sql().scalar("SELECT note FROM o WHERE id = " + std::to_string(id)); }

    void expect_each_kind_of_statement() {
        start();
        sql().execute(
            "INSERT INTO n VALUES (1, 'x', 0, 0, 0, 0) ON CONFLICT (id) DO UPDATE SET total = 1;"
            "INSERT INTO n VALUES (2, 'x', 0, 0, 0, 0) ON CONFLICT (id) DO UPDATE SET quantity = 1;"
            "SET session_replication_role = replica; UPDATE n SET total = 3 WHERE id = 3; RESET "
            "session_replication_role");
        const bool merges = sql().number("SELECT current_setting('server_version_num')::int") >= 150000;
        sql().execute(merges ? "MERGE INTO n USING (VALUES (4, 4), (5, 32.5)) AS v (id, total) ON n.id = v.id WHEN "
                               "MATCHED AND v.id = 4 THEN UPDATE SET total = v.total WHEN MATCHED THEN UPDATE SET "
                               "quantity = 7"
                             : "UPDATE n SET total = 4 WHERE id = 4; UPDATE n SET quantity = 7 WHERE id = 5");
        replay();
        EXPECT_EQ(old_row(1), "(1.25,10,1,1)");
        EXPECT_EQ(old_row(2), "(2.25,1,0.10,2)");
        EXPECT_EQ(old_row(3), "(3.25,10,3,3)");
        EXPECT_EQ(old_row(4), "(4.25,10,4,4)");
        EXPECT_EQ(old_row(5), "(5.25,7,0.10,5)");
        compare();
    }

    /// What is logged from now on stands in another block.
    void next_block() { sql().execute("INSERT INTO back.pgeist_log (k1) SELECT -1 FROM generate_series(1, 300)"); }

    static replay::selection block(std::int64_t first, std::int64_t end) {
        replay::selection rows;
        rows.within = replay::selection::block_range{first, end};
        return rows;
    }

    report::verification verified() {
        replay::replayer changes(parts());
        verify::verifier checker(parts());
        await(checker.look_up_all());
        await(checker.compare_all());
        await(checker.settle(changes));
        sql().execute("DELETE FROM pgeist.chunks");
        return checker.found();
    }
};

// Without the log of touches the total is computed once more, and 0.10 gone.
TEST_F(touched, NotWhatItWasComputedFromButTheValueItselfCounts) {
    start();
    sql().execute(
        "UPDATE n SET price = 9 WHERE id = 1; UPDATE n SET total = 5 WHERE id = 2; UPDATE n SET draw = -1 WHERE id = "
        "3; UPDATE n SET quantity = quantity + 1");
    replay();
    EXPECT_EQ(old_row(1), "(9.00,11,0.10,1)");
    EXPECT_EQ(old_row(2), "(2.25,11,5,2)");
    EXPECT_EQ(old_row(3), "(3.25,11,0.10,-1)");
    compare();
    sql().execute("UPDATE n SET quantity = 0");
    replay();
    EXPECT_EQ(old_row(1), "(9.00,0,0.10,1)");
    EXPECT_EQ(old_row(2), "(2.25,0,5,2)");
    compare();
}

// By their images 7 → 8 → 7 would be unchanged in one batch, and changed in two; 1.0 and 1.00 the same value.
TEST_F(touched, ThereAndBackIsTouchedHoweverItIsReplayed) {
    start();
    sql().execute(
        "UPDATE n SET price = 8 WHERE id IN (1, 2); UPDATE n SET price = id WHERE id = 1; UPDATE n SET total = "
        "total::numeric(10,5) WHERE id = 3; UPDATE n SET total = total WHERE id = 4");
    replay();
    sql().execute("UPDATE n SET price = id WHERE id = 2");
    replay();
    EXPECT_EQ(old_row(1), "(1.00,10,0.10,1)");
    EXPECT_EQ(old_row(2), "(2.00,10,0.10,2)");
    EXPECT_EQ(old_row(3), "(3.25,10,32.50000,3)");
    EXPECT_EQ(old_row(4), "(4.25,10,0.10,4)");
    compare();
}

// A batch has some of a key's log rows only: the touch in the one before, or in the one behind.
TEST_F(touched, InAnotherBatchThanTheOtherChanges) {
    start();
    sql().execute("UPDATE n SET price = 50 WHERE id = 1; UPDATE n SET quantity = 1 WHERE id = 2");
    next_block();
    sql().execute("UPDATE n SET quantity = 1 WHERE id = 1; UPDATE n SET price = 50, total = 7 WHERE id = 2");
    replay(block(0, 1));
    EXPECT_EQ(old_row(1), "(50.00,1,0.10,1)");
    replay(block(0, 100));
    EXPECT_EQ(old_row(1), "(50.00,1,0.10,1)");
    EXPECT_EQ(old_row(2), "(50.00,1,7,2)");
    compare();
}

TEST_F(touched, WithItsRowUnderEachKeyThatItHas) {
    start();
    sql().execute(
        "UPDATE n SET total = 1 WHERE id = 1; UPDATE n SET id = 11 WHERE id = 1; UPDATE n SET id = 21 WHERE id = 11;"
        "UPDATE n SET id = 12 WHERE id = 2; UPDATE n SET total = 2 WHERE id = 12; UPDATE n SET id = 22 WHERE id = 12;"
        "UPDATE n SET id = 13, total = 3 WHERE id = 3; UPDATE n SET id = 23, price = 7 WHERE id = 13;"
        "UPDATE n SET id = 14 WHERE id = 4");
    replay();
    EXPECT_EQ(old_row(21), "(1.25,10,1,1)");
    EXPECT_EQ(old_row(22), "(2.25,10,2,2)");
    EXPECT_EQ(old_row(23), "(7.00,10,3,3)");
    EXPECT_EQ(old_row(14), "(4.25,10,0.10,4)");
    compare();
}

// What another row did under the same key, before this one came or after it left, touches nothing of it. Without the
// numbers of touches rows 1 and 2 have each other's.
TEST_F(touched, NotByAnotherRowUnderTheSameKey) {
    start();
    sql().execute(
        "UPDATE n SET total = 1 WHERE id = 1; UPDATE n SET id = 100 WHERE id = 1; UPDATE n SET id = 1 WHERE id = 2;"
        "UPDATE n SET price = 70 WHERE id = 1; UPDATE n SET id = 2 WHERE id = 100; UPDATE n SET draw = -2 WHERE id = 2;"
        "UPDATE n SET total = 3 WHERE id = 3; DELETE FROM n WHERE id = 3; UPDATE n SET id = 3 WHERE id = 4;"
        "UPDATE n SET id = 4 WHERE id = 5; INSERT INTO n VALUES (5, 'five', 5, 5, 5, 5);"
        "UPDATE n SET quantity = 6 WHERE id = 5");
    replay();
    EXPECT_EQ(old_row(1), "(70.00,10,0.10,2)");
    EXPECT_EQ(old_row(2), "(1.25,10,1,-2)");
    EXPECT_EQ(old_row(3), "(4.25,10,0.10,4)");
    EXPECT_EQ(old_row(4), "(5.25,10,0.10,5)");
    EXPECT_EQ(old_row(5), "(5.00,6,5,5)");
    compare();
}

TEST_F(touched, AllOfARowMadeUnderAReusedKey) {
    start();
    sql().execute(
        "DELETE FROM n WHERE id = 1; INSERT INTO n VALUES (1, 'one', 1, 10, 10, 7);"
        "BEGIN; DELETE FROM n WHERE id = 2; INSERT INTO n VALUES (2, 'two', 2, 10, 20, 8); COMMIT");
    replay();
    sql().execute("UPDATE n SET quantity = 3 WHERE id < 3");
    replay();
    EXPECT_EQ(old_row(1), "(1.00,3,10,7)");
    EXPECT_EQ(old_row(2), "(2.00,3,20,8)");
    compare();
}

TEST_F(touched, NotByWhatIsTakenBack) {
    start();
    sql().execute(
        "BEGIN; SAVEPOINT a; UPDATE n SET total = 1, price = 1 WHERE id = 3; ROLLBACK TO SAVEPOINT a; UPDATE n SET "
        "quantity = 2 WHERE id = 3; COMMIT");
    replay();
    EXPECT_EQ(old_row(3), "(3.25,2,0.10,3)");
    compare();
}

// What the statement names is not what it changes.
TEST_F(touched, ByTriggersOfTheApplicationToo) {
    start();
    sql().execute(
        "CREATE FUNCTION discount() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF NEW.quantity > 50 THEN NEW.total := "
        "1; END IF; RETURN NEW; END'; CREATE TRIGGER discount BEFORE UPDATE ON n FOR EACH ROW EXECUTE FUNCTION "
        "discount(); UPDATE n SET quantity = 100 WHERE id = 1; UPDATE n SET quantity = 2 WHERE id = 2");
    replay();
    EXPECT_EQ(old_row(1), "(1.25,100,1,1)");
    EXPECT_EQ(old_row(2), "(2.25,2,0.10,2)");
    compare();
}

TEST_F(touched, ByEachKindOfStatement) { expect_each_kind_of_statement(); }

TEST_F(touched, ByEachKindOfStatementWhereRowsAreCapturedOneByOne) {
    row_triggers_ = true;
    expect_each_kind_of_statement();
}

// The touch has left the log when the row fits again, which another change brings about.
TEST_F(touched, StillWhenTheRowHadToWait) {
    start();
    sql().execute("UPDATE n SET total = 4, name = 'much too long' WHERE id = 1");
    replay();
    EXPECT_EQ(unfit().size(), 1);
    sql().execute("UPDATE n SET id = 41 WHERE id = 1; UPDATE n SET name = 'short' WHERE id = 41");
    replay();
    EXPECT_EQ(unfit().size(), 0);
    EXPECT_EQ(old_row(41), "(1.25,10,4,1)");
    compare();
}

TEST_F(touched, NothingWhenTheTableWasTruncated) {
    start();
    sql().execute(
        "UPDATE n SET quantity = 1; UPDATE n SET total = 7 WHERE id = 1; TRUNCATE n; INSERT INTO n VALUES (1, 'one', "
        "1, "
        "1, 2, 3)");
    await(replay::begin_anew(parts()));
    replay();
    EXPECT_EQ(old_row(1), "(1.00,1,2,3)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM back.pgeist_since WHERE NOT made"), 0);
    compare();
}

// What the comparison knows of a value that nothing gives any more: changed behind the log's back, it is found.
TEST_F(touched, TheComparisonFindsWhatWasNotLogged) {
    start();
    sql().execute("UPDATE n SET quantity = 1");
    replay();
    compare();
    sql().execute("ALTER TABLE n DISABLE TRIGGER ALL; UPDATE n SET total = 77 WHERE id = 1");
    sql().execute("ALTER TABLE n ENABLE TRIGGER ALL; UPDATE o SET total = 88 WHERE id = 2");
    sql().execute("UPDATE o SET price = 88 WHERE id = 3");
    for (const char* kind : {"insert", "update", "delete", "key_change", "truncate"}) {
        sql().execute(std::string("ALTER TABLE n ENABLE ALWAYS TRIGGER back_") + kind);
    }
    EXPECT_EQ(verified().differences, 3);
    EXPECT_EQ(old_row(1), "(1.25,1,77,1)");
    EXPECT_EQ(old_row(3), "(3.00,1,0.10,3)") << "its total seems untouched, its price does not";
    compare();
}

// A row that differs, and is in the log again whenever it is looked at, has not been seen to be right.
TEST_F(touched, ARowThatIsAlwaysPendingIsNotToldAsRepaired) {
    start();
    sql().execute(
        "UPDATE o SET quantity = 99 WHERE id = 1;"
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.quantity := 98; RETURN NEW; END';"
        "CREATE TRIGGER spoil BEFORE INSERT ON o FOR EACH ROW EXECUTE FUNCTION spoil();"
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO back.pgeist_log (k1) VALUES "
        "(OLD.k1); RETURN NULL; END';"
        "CREATE TRIGGER again AFTER DELETE ON back.pgeist_log FOR EACH ROW EXECUTE FUNCTION again()");
    const report::verification found = verified();
    EXPECT_EQ(found.differences, 1);
    EXPECT_EQ(found.repaired, 0);
}

// The value of a --back-set is that of the row as it is, whenever it was replayed.
TEST_F(touched, ABackSetFollowsItsRow) {
    start({{"note", R"("name")"}, {"total", R"("total" + "quantity")"}});
    sql().execute(
        "INSERT INTO n VALUES (7, 'seven', 7, 7, 7, 7); UPDATE n SET total = 1 WHERE id = 1; DELETE FROM n WHERE id = "
        "2; INSERT INTO n VALUES (2, 'two', 2, 2, 2, 2)");
    replay();
    EXPECT_EQ(note(7), "seven");
    EXPECT_EQ(old_row(1), "(1.25,10,11,1)");
    sql().execute(
        "UPDATE n SET name = 'other', quantity = 20 WHERE id < 8; UPDATE n SET id = 70 WHERE id = 7; UPDATE n SET name "
        "= 'last' WHERE id = 2");
    replay();
    EXPECT_EQ(note(70), "other");
    EXPECT_EQ(note(2), "last");
    EXPECT_EQ(note(1), "note 1") << "it lived through";
    EXPECT_EQ(old_row(1), "(1.25,20,21,1)");
    EXPECT_EQ(old_row(3), "(3.25,20,0.10,3)");
    EXPECT_EQ(old_row(70), "(7.00,20,27,7)");
    compare();
}

/// The tables change places again and again: what was once computed from several columns is compared all the same.
class touched_on_each_leg : public touched {
protected:
    [[nodiscard]] std::string total_of(const std::string& table, int id) {
        return sql().scalar("SELECT total FROM " + table + " WHERE id = " + std::to_string(id));
    }

    /// Changed behind the back of the log, on the side that waits.
    void expect_found(const std::string& table, const std::string& change) {
        sql().execute("UPDATE " + table + " SET " + change);
        EXPECT_EQ(verified().differences, 1) << change;
        compare();
    }
};

// Without what the way before has noted of them, rows 1 and 4 would be found different, and their totals computed anew.
TEST_F(touched_on_each_leg, WhatNothingGivesAnyMoreIsKnownOnTheNext) {
    start();
    sql().execute(
        "UPDATE n SET quantity = 20 WHERE id IN (1, 2); UPDATE n SET total = 7 WHERE id = 3; UPDATE n SET id = 44 "
        "WHERE id = 4; UPDATE n SET quantity = 5 WHERE id = 44; INSERT INTO n VALUES (7, 'seven', 7, 7, 70, 7)");
    replay();
    compare();
    turn();
    compare();
    EXPECT_EQ(old_row(1), "(1.25,20,0.10,1)");
    EXPECT_EQ(total_of("n", 1), "12.50") << "as the change has computed it";
    expect_found("n", "total = 99 WHERE id = 3");
    EXPECT_EQ(total_of("n", 3), "32.50") << "what the old row gives";
    sql().execute(
        "UPDATE o SET note = 'x'; UPDATE o SET price = 9 WHERE id = 2; UPDATE o SET id = 11 WHERE id = 1; UPDATE o SET "
        "name = 'other' WHERE id = 11");
    replay();
    compare();
    EXPECT_EQ(total_of("n", 11), "12.50");
    EXPECT_EQ(total_of("n", 44), "42.50");
    EXPECT_EQ(total_of("n", 2), "180.00");
    turn();
    compare();
    sql().execute("UPDATE n SET quantity = 3");
    replay();
    compare();
    EXPECT_EQ(total_of("o", 11), "0.10");
    EXPECT_EQ(total_of("o", 44), "0.10");
    EXPECT_EQ(total_of("o", 2), "0.10");
    EXPECT_EQ(total_of("o", 7), "70");
    turn();
    compare();
    EXPECT_EQ(total_of("n", 11), "12.50");
}

// What the user's own expression has given outlives what it was computed from.
TEST_F(touched_on_each_leg, WhatABackSetGaveIsKnownOnTheNext) {
    start({{"total", R"("total" + length("name"))"}});
    sql().execute(
        "UPDATE n SET total = 5 WHERE id < 4; INSERT INTO n VALUES (7, 'seven', 7, 7, 7, 7); UPDATE n SET name = "
        "'ab' WHERE id = 3");
    replay();
    compare();
    EXPECT_EQ(total_of("o", 1), "10");
    EXPECT_EQ(total_of("o", 3), "7") << "touched since: it follows its row";
    turn();
    compare();
    sql().execute("UPDATE o SET name = 'longer' WHERE id IN (1, 7)");
    replay();
    compare();
    EXPECT_EQ(total_of("n", 1), "5");
    EXPECT_EQ(total_of("n", 7), "7");
    turn();
    compare();
    sql().execute("UPDATE n SET name = 'abc' WHERE id IN (1, 2, 7)");
    replay();
    compare();
    EXPECT_EQ(total_of("o", 1), "10");
    EXPECT_EQ(total_of("o", 2), "10");
    EXPECT_EQ(total_of("o", 7), "12");
    turn();
    compare();
}

// A wider type takes each old value, and gives it back; what the user's own expression gives is none.
TEST_F(touched_on_each_leg, ABackSetOfAWiderColumnProvesNothing) {
    sql().execute(
        "CREATE TABLE o (id int PRIMARY KEY, v int, w int); CREATE TABLE n (id int PRIMARY KEY, v bigint, w int);"
        "INSERT INTO o SELECT i, i, i FROM generate_series(1, 3) AS i");
    begin({{"id", "id", ""}, {"v", "v", ""}, {"w", "w", ""}}, {{"v", R"("v" + "w")"}});
    sql().execute("UPDATE n SET v = 10 WHERE id = 1; UPDATE n SET w = 5 WHERE id = 2");
    replay();
    expect_old("id, v, w", "(1,11,1) (2,2,5) (3,3,3)");
    compare();
    turn();
    compare();
    sql().execute("UPDATE o SET v = 7 WHERE id = 3; UPDATE o SET w = 8 WHERE id = 1");
    replay();
    EXPECT_EQ(sql().scalar("SELECT string_agg(format('%s', ROW(id, v, w)), ' ' ORDER BY id) FROM n"),
              "(1,10,8) (2,2,5) (3,7,3)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM leg_2.pgeist_unfit"), 0);
    compare();
}

/// The new table is a partition, and rows move to another one and back.
class touched_in_a_partition : public way_back_test {
protected:
    void SetUp() override {
        row_triggers_ = true;
        way_back_test::SetUp();
    }

    void start() {
        sql().execute(
            "CREATE TABLE o (id int, part int, price numeric(8,2), total numeric, note text DEFAULT 'made later', "
            "PRIMARY KEY (id, part));"
            "CREATE TABLE n (id int, part int, price int, total numeric, PRIMARY KEY (id, part));"
            "INSERT INTO o SELECT i, 1, i + 0.25, 0.10, 'note ' || i FROM generate_series(1, 7) AS i");
        begin({{"id", "id", ""}, {"part", "part", ""}, {"price", "price", ""}, {"total", "total", R"("price" * 2)"}});
        sql().execute(
            "CREATE TABLE whole (LIKE n) PARTITION BY LIST (part); ALTER TABLE whole ATTACH PARTITION n FOR VALUES IN "
            "(1, 2); CREATE TABLE elsewhere PARTITION OF whole FOR VALUES IN (3); INSERT INTO whole VALUES (8, 3, 8, "
            "8)");
    }

    std::string old_rows() {
        return sql().scalar(
            "SELECT string_agg(format('%s', ROW(id, part, price, total, note)), ' ' ORDER BY id, part) FROM o");
    }
};

// Within the partition a row lives on under its new key, with what was touched by the same UPDATE; one that leaves it
// has died there, and is made anew when it comes back. A touch belongs to the row that was there then: row 6 has not
// been touched by what was done to row 5 under the same key.
TEST_F(touched_in_a_partition, RowsThatMoveToOthersAndBack) {
    start();
    sql().execute(
        "UPDATE whole SET part = 2, total = 1 WHERE id = 1;"
        "UPDATE whole SET part = 3, total = 2 WHERE id = 2;"
        "UPDATE whole SET total = 3 WHERE id = 3; UPDATE whole SET part = 3 WHERE id = 3; UPDATE whole SET part = 1, "
        "price = 30 WHERE id = 3;"
        "UPDATE whole SET part = 2 WHERE id = 4; UPDATE whole SET price = 40 WHERE id = 4; UPDATE whole SET part = 1 "
        "WHERE id = 4;"
        "UPDATE whole SET total = 5 WHERE id = 5; UPDATE whole SET part = 3 WHERE id = 5; UPDATE whole SET id = 5 "
        "WHERE id = 6;"
        "BEGIN; UPDATE whole SET part = 3 WHERE id = 7; UPDATE whole SET part = 1 WHERE id = 7; COMMIT;"
        "UPDATE whole SET part = 2 WHERE id = 8");
    replay();
    EXPECT_EQ(old_rows(), R"((1,2,1.25,1,"note 1") (3,1,30.00,3,"made later") (4,1,40.00,0.10,"note 4") )"
                          R"((5,1,6.25,0.10,"note 6") (7,1,7.00,14.50,"made later") (8,2,8.00,8,"made later"))");
    compare();
}

// The same, seen while a row is in between, and with its two halves in one batch and the next.
TEST_F(touched_in_a_partition, RowsThatAreElsewhereWhenTheyAreLookedAt) {
    start();
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE whole SET part = 3, total = 2 WHERE id = 2");
    sql().execute(
        "UPDATE whole SET part = 3, price = 9 WHERE id = 1; UPDATE whole SET part = 2, price = 9 WHERE id = 3");
    replay();
    EXPECT_EQ(sql().scalar("SELECT string_agg(format('%s', ROW(id, part, price, total, note)), ' ' ORDER BY id) FROM o "
                           "WHERE id < 4"),
              R"((2,1,2.25,0.10,"note 2") (3,2,9.00,0.10,"note 3"))");
    compare();
    writer.execute("UPDATE whole SET part = 1 WHERE id = 2; COMMIT");
    sql().execute("UPDATE whole SET part = 2 WHERE id = 1; UPDATE whole SET part = 1, total = 4 WHERE id = 3");
    replay();
    EXPECT_EQ(sql().scalar("SELECT string_agg(format('%s', ROW(id, part, price, total, note)), ' ' ORDER BY id) FROM o "
                           "WHERE id < 4"),
              R"((1,2,9.00,2.50,"made later") (2,1,2.00,2,"made later") (3,1,9.00,4,"note 3"))");
    compare();
}

/// The change made again: `o` is written to, and `n` keeps what it had.
TEST_F(touched, MadeAgainItFollowsWhatItIsComputedFrom) {
    sql().execute(
        "CREATE TABLE o (id int PRIMARY KEY, price int, quantity int, total int);"
        "CREATE TABLE n (id int PRIMARY KEY, price int, quantity int, total int, label text);"
        "INSERT INTO o SELECT i, i, 10, 1 FROM generate_series(1, 4) AS i");
    begin({{"id", "id", ""},
           {"price", "price", ""},
           {"quantity", "quantity", ""},
           {"total", "total", R"("price" * "quantity")"},
           {"label", "", R"(concat("price", ' of ', "quantity"))"}});
    sql().execute("UPDATE n SET price = 5 WHERE id < 3; UPDATE n SET label = 'own' WHERE id = 3");
    replay();
    turn();
    const auto new_row = [&](int id) {
        return sql().scalar("SELECT format('%s', ROW(price, quantity, total, label)) FROM n WHERE id = " +
                            std::to_string(id));
    };
    sql().execute(
        "UPDATE o SET id = 11 WHERE id = 1; UPDATE o SET quantity = 2 WHERE id = 2; INSERT INTO o VALUES (5, 5, 5, 1)");
    replay();
    EXPECT_EQ(new_row(11), R"((5,10,10,"1 of 10"))") << "nothing of it was touched";
    EXPECT_EQ(new_row(2), R"((5,2,10,"2 of 10"))");
    EXPECT_EQ(new_row(5), R"((5,5,25,"5 of 5"))");
    sql().execute("UPDATE o SET price = 7 WHERE id IN (3, 5)");
    replay();
    EXPECT_EQ(new_row(3), "(7,10,70,own)");
    EXPECT_EQ(new_row(5), R"((7,5,35,"7 of 5"))") << "it was made since, whenever it was replayed";
    compare();
}

}  // namespace
}  // namespace pgeist::test
