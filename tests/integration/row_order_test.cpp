// Copying rows in an order: what it is, and rows that move while they are copied, one test for each way.

#include "job_test.hpp"
#include "pgeist/build/index_builder.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/copy/order.hpp"
#include "pgeist/transfer/replay/moved_rows.hpp"

namespace pgeist::test {
namespace {

/// Rows of which five fit a block, ids 1 to 50, to be copied by c, which is 51 to 100.
class row_order : public job_test {
protected:
    void make_table() {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, c int, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN;"
            "INSERT INTO t SELECT i, 50 + i, repeat('x', 1500) FROM generate_series(1, 50) i");
        sql().execute("VACUUM t");
    }

    void order_by(const std::string& order, const std::vector<std::string>& sets = {}) {
        plan::change_request change;
        change.table = {"", "t"};
        change.repack = true;
        change.order_by = order;
        change.sets = sets;
        prepare(change, {});
    }

    /// As order_by(), up to the first chunk: the list is made.
    void start(const std::string& order = "c") {
        order_by(order);
        capture();
        await(pgeist::copy::put_in_order(work()));
    }

    /// Chunks along the list: its rows are numbered from 1 in its only block.
    void copy_first(int rows) { copy({std::nullopt, at_number(rows)}); }
    void copy_after(int rows) { copy({at_number(rows), std::nullopt}); }

    std::string place_of(int id) { return sql().scalar("SELECT ctid FROM t WHERE id = " + std::to_string(id)); }
    long long copies_of(int id) {
        return sql().number("SELECT count(*) FROM " + plan().shadow().sql() + " WHERE id = " + std::to_string(id));
    }
    std::string ids_as_they_lie(const std::string& table) {
        return sql().scalar("SELECT string_agg(id::text, ' ' ORDER BY ctid) FROM " + table);
    }

    void finish_and_compare() {
        await(pgeist::replay::delete_moved_rows(work()));
        await(pgeist::copy::forget_order(work()));
        build();
        expect_equal();
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname IN ('pgeist_places', 'pgeist_unsorted')"),
                  0);
    }

    std::string refusal_of(const std::string& order, const std::vector<std::string>& sets = {}) {
        std::string message;
        try {
            order_by(order, sets);
        } catch (const error& refused) {
            EXPECT_EQ(refused.code(), exit_code::refused) << refused.what();
            message = refused.what();
        }
        EXPECT_NE(message, "") << order;
        await(session().rollback());
        return message;
    }

private:
    static walk::bound at_number(int row) { return at("(0," + std::to_string(row) + ")"); }
};

TEST_F(row_order, NullsDirectionsAndEqualValues) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, c int, d text COLLATE \"C\", v text); ALTER TABLE t ALTER v SET STORAGE "
        "PLAIN; INSERT INTO t SELECT i, nullif(i % 7, 3), nullif(chr(65 + i % 5), 'C'), repeat('x', 1500) FROM "
        "generate_series(1, 500) i");  // of a size that no row fits what is left of another's block
    start("c DESC NULLS LAST, d");
    await(pgeist::copy::copy_all(work()));
    const std::string wanted =
        sql().scalar("SELECT string_agg(id::text, ' ' ORDER BY c DESC NULLS LAST, d, id) FROM t");
    EXPECT_EQ(ids_as_they_lie(plan().shadow().sql()), wanted);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.chunks WHERE kind = 'copy'") > 0, true);
    finish_and_compare();
}

TEST_F(row_order, ThatOfAnIndexWithItsCollationsOperatorsAndExpressions) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, c text, d int, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN;"
        "INSERT INTO t SELECT i, CASE WHEN i % 10 > 0 THEN chr(65 + i % 4) || chr(97 + i % 3) || i % 13 END, i % 5, "
        "repeat('x', 1500) FROM generate_series(1, 500) i;"
        "CREATE INDEX by_c ON t ((lower(c)) COLLATE \"C\" text_pattern_ops DESC NULLS LAST, d DESC) INCLUDE (id)");
    start("by_c");
    await(pgeist::copy::copy_all(work()));
    const std::string wanted = sql().scalar(
        "SELECT string_agg(id::text, ' ' ORDER BY lower(c) COLLATE \"C\" DESC NULLS LAST, d DESC NULLS FIRST, id) "
        "FROM t");
    EXPECT_EQ(ids_as_they_lie(plan().shadow().sql()), wanted);
    finish_and_compare();
    EXPECT_EQ(sql().scalar("SELECT indexrelid::regclass FROM pg_index WHERE indisclustered AND indrelid = '" +
                           plan().shadow().sql() + "'::regclass"),
              plan().job_schema + ".by_c");
}

TEST_F(row_order, ACopiedRowWhoseValueMovesBeyondThePosition) {
    make_table();
    start();
    copy_first(25);
    sql().execute("UPDATE t SET c = 1000 WHERE id = 7");
    copy_after(25);
    EXPECT_EQ(copies_of(7), 1);
    finish_and_compare();
}

TEST_F(row_order, ARowToBeCopiedWhoseValueMovesBeforeThePosition) {
    make_table();
    start();
    copy_first(25);
    sql().execute("UPDATE t SET c = 0 WHERE id = 40");
    copy_after(25);
    EXPECT_EQ(copies_of(40), 0);
    finish_and_compare();
}

TEST_F(row_order, ACopiedRowThatMovesToAPlaceStillToBeCopiedIsThereOnceInTheEnd) {
    make_table();
    start();
    copy_first(25);
    const std::string place = place_of(36);
    sql().execute("DELETE FROM t WHERE id BETWEEN 36 AND 40");
    sql().execute("VACUUM t");
    sql().execute("UPDATE t SET c = 1000 WHERE id = 7");
    ASSERT_EQ(place_of(7), place);
    copy_after(25);
    EXPECT_EQ(copies_of(7), 2);
    EXPECT_THROW(await(build::build_key_index(work())), error) << "what delete_moved_rows() is for";
    finish_and_compare();
}

TEST_F(row_order, ARowToBeCopiedThatMovesToACopiedPlaceIsThereInTheEnd) {
    make_table();
    start();
    copy_first(25);
    const std::string place = place_of(1);
    sql().execute("DELETE FROM t WHERE id BETWEEN 1 AND 5");
    sql().execute("VACUUM t");
    sql().execute("UPDATE t SET c = 0 WHERE id = 40");
    ASSERT_EQ(place_of(40), place);
    copy_after(25);
    EXPECT_EQ(copies_of(40), 0);
    finish_and_compare();
}

TEST_F(row_order, KeysThatChangeAndAreUsedAgain) {
    make_table();
    start();
    copy_first(25);
    sql().execute(
        "UPDATE t SET id = 1007, c = 1000 WHERE id = 7; UPDATE t SET id = 7, c = 0 WHERE id = 40;"
        "DELETE FROM t WHERE id = 41; INSERT INTO t VALUES (41, 1, 'again'), (60, NULL, 'new')");
    copy_after(25);
    finish_and_compare();
}

TEST_F(row_order, ChangesBetweenCaptureAndTheList) {
    make_table();
    order_by("c");
    capture();
    sql().execute("UPDATE t SET c = 1000 WHERE id = 7; DELETE FROM t WHERE id = 8; INSERT INTO t VALUES (60, 60, '')");
    await(pgeist::copy::copy_all(work()));
    expect_equal();
    finish_and_compare();
}

TEST_F(row_order, AListThatWasBegunIsMadeAnew) {
    make_table();
    order_by("c");
    capture();
    sql().execute("CREATE TABLE " + transfer().unsorted_places().sql() +
                  " AS SELECT ctid AS place, c AS o1, id AS o2 FROM t WHERE id < 10");
    await(pgeist::copy::put_in_order(work()));
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + transfer().places().sql()), 50);
    EXPECT_EQ(sql().number("SELECT count(DISTINCT place) FROM " + transfer().places().sql()), 50);
    await(pgeist::copy::copy_all(work()));
    finish_and_compare();
}

TEST_F(row_order, AResumedCopyGoesOnAlongTheSameList) {
    make_table();
    start("c DESC");
    copy({std::nullopt, at("(0,65535)")});
    const std::string list = sql().scalar("SELECT '" + transfer().places().sql() + "'::regclass::oid");
    const std::string lie = ids_as_they_lie(plan().shadow().sql());
    await(pgeist::copy::copy_all(work()));
    EXPECT_EQ(sql().scalar("SELECT '" + transfer().places().sql() + "'::regclass::oid"), list);
    EXPECT_EQ(ids_as_they_lie(plan().shadow().sql()), lie);
    finish_and_compare();
}

TEST_F(row_order, PlacesOfARewrittenTableAreNotCopied) {
    make_table();
    start();
    copy_first(25);
    sql().execute("DELETE FROM t WHERE id < 20");
    sql().execute("VACUUM FULL t");  // other rows have the places of the list
    EXPECT_THROW(copy_after(25), transfer::source_rewritten);
}

TEST_F(row_order, ATruncatedTableIsToldAsOne) {
    make_table();
    start();
    copy_first(25);
    sql().execute("TRUNCATE t");
    EXPECT_THROW(copy_after(25), transfer::source_truncated) << "not only as one whose file is another";
}

TEST_F(row_order, RowsAreReadByTheirPlaces) {
    make_table();
    start();
    sql().execute("SET enable_seqscan = off; SET enable_bitmapscan = off");
    std::string plan_text;
    const walk::bound_sql chunk = copy::chunk_sql(transfer(), {at("(0,65535)"), at("(1,65535)")});
    for (const row& line : sql().query("EXPLAIN " + chunk.sql, {"(0,65535)", "(1,65535)"}).rows) {
        plan_text += line[0].value_or("") + "\n";
    }
    EXPECT_NE(plan_text.find("Tid Range Scan on pgeist_places"), std::string::npos) << plan_text;
    EXPECT_NE(plan_text.find("Tid Scan on t"), std::string::npos) << plan_text;
    EXPECT_EQ(plan_text.find("Nested Loop"), std::string::npos) << "a place at a time takes four times as long\n"
                                                                << plan_text;
}

TEST_F(row_order, ARowThatDoesNotFitIsNamed) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, c int, d int); INSERT INTO t SELECT i, -i, i FROM "
        "generate_series(1, 2000) i");
    order_by("c", {"d = 1000000 / (d - 777)"});
    capture();
    std::string what;
    try {
        await(pgeist::copy::copy_all(work()));
    } catch (const error& failed) {
        what = failed.what();
    }
    EXPECT_NE(what.find("id = 777"), std::string::npos) << what;
}

TEST_F(row_order, WhatHasNoOrderIsRefused) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, c int, j json); CREATE INDEX partial_c ON t (c) WHERE c > 0;"
        "CREATE INDEX hashed ON t USING hash (c)");
    EXPECT_NE(refusal_of("partial_c").find("partial"), std::string::npos);
    EXPECT_NE(refusal_of("hashed").find("hash"), std::string::npos);
    EXPECT_NE(refusal_of("nothing").find("neither a column nor an index"), std::string::npos);
    EXPECT_NE(refusal_of("c, nothing").find("no column nothing"), std::string::npos);
    EXPECT_NE(refusal_of("j").find("cannot be put in the order of j"), std::string::npos);
    EXPECT_NE(refusal_of("c", {"c = 1"}).find("--set gives column c other values"), std::string::npos);
}

}  // namespace
}  // namespace pgeist::test
