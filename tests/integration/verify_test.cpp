// Verification: finds every byte that differs, raises no false alarm, repairs once.

#include "job_test.hpp"
#include "pgeist/transfer/verify/verifier.hpp"

namespace pgeist::test {
namespace {

class verification : public job_test {
protected:
    void start() {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, n numeric, f float8, i interval, j json, v text, r real, b jsonb, "
            "a numeric[], c char(4), z timetz);"
            "INSERT INTO t SELECT g, 1.0, 0, '1 day', '{\"a\": 1}', repeat('x', g * 100), 0, '[1.0]', '{1.0}', 'a', "
            "'12:00+00' FROM generate_series(1, 30) g");
        prepare("t", {"ALTER COLUMN id TYPE bigint"});
        capture();
        copy_all();
        build();
    }
    void corrupt(const std::string& assignment, int id) {
        sql().execute("UPDATE " + plan().shadow().sql() + " SET " + assignment + " WHERE id = " + std::to_string(id));
    }
    report::verification verify() {
        verify::verifier checker(work());
        await(checker.compare_all());
        replay::replayer changes(work());
        await(checker.settle(changes));
        return checker.found();
    }
};

TEST_F(verification, OfAFaithfulCopyFindsNothingAndStoresEqualChecksums) {
    start();
    const report::verification found = verify();
    EXPECT_EQ(found.rows, 30);
    EXPECT_EQ(found.differences, 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.chunks WHERE kind = 'verify' AND rows = shadow_rows "
                           "AND checksum = shadow_checksum AND checksum <> 0"),
              found.chunks);
}

TEST_F(verification, SeesValuesThatAreEqualButNotTheSameBytes) {
    start();
    corrupt("n = 1.00", 1);
    corrupt("f = '-0'", 2);
    corrupt("i = '24 hours'", 3);
    corrupt("j = '{\"a\":1}'", 4);
    corrupt("v = v || 'y'", 5);
    corrupt("r = '-0'", 7);
    corrupt("b = '[1.00]'", 8);
    corrupt("a = '{1.00}'", 9);
    corrupt("c = 'b'", 10);
    corrupt("z = '13:00+01'", 11);
    corrupt("n = NULL", 12);
    corrupt("v = NULL", 13);
    sql().execute("DELETE FROM " + plan().shadow().sql() + " WHERE id = 6");
    sql().execute("INSERT INTO " + plan().shadow().sql() + " (id, v) VALUES (1000, 'extra')");
    const report::verification found = verify();
    EXPECT_EQ(found.differences, 14);
    EXPECT_EQ(found.repaired, 14);
    expect_equal();
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_recheck"), 0);
}

TEST_F(verification, RaisesNoAlarmForChangesThatWaitInTheLog) {
    start();
    sql().execute(
        "UPDATE t SET v = 'changed' WHERE id < 10; DELETE FROM t WHERE id = 20; INSERT INTO t (id) VALUES (40)");
    const verify::chunk_result compared = [&] {
        verify::verifier checker(work());
        await(checker.compare_all());
        EXPECT_EQ(checker.found().differences, 0);
        return verify::chunk_result();
    }();
    EXPECT_TRUE(compared.unexplained.empty());
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_recheck"), 11);
    verify::verifier checker(work());
    replay::replayer changes(work());
    await(checker.settle(changes));
    EXPECT_EQ(checker.found().differences, 0);
    expect_equal();
}

TEST_F(verification, FailsWhenARepairedRowDiffersAgain) {
    start();
    // A shadow that does not keep what it is given.
    sql().execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := NEW.v || ''?''; RETURN NEW; END';"
        "CREATE TRIGGER spoil BEFORE INSERT ON " +
        plan().shadow().sql() + " FOR EACH ROW EXECUTE FUNCTION spoil()");
    corrupt("v = 'wrong'", 8);
    try {
        verify();
        ADD_FAILURE() << "a row that differs twice must stop the run";
    } catch (const error& failure) {
        EXPECT_EQ(failure.code(), exit_code::verification_failed);
        EXPECT_NE(std::string(failure.what()).find("8"), std::string::npos) << failure.what();
    }
}

TEST_F(verification, OfAConvertedKeyFindsExtraRows) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, g FROM generate_series(1, 30) g");
    prepare("t", {"ALTER COLUMN id TYPE text"});
    capture();
    copy_all();
    build();
    EXPECT_TRUE(plan().key.carried);
    EXPECT_EQ(verify().differences, 0);
    sql().execute("DELETE FROM pgeist.chunks WHERE kind = 'verify'; INSERT INTO " + plan().shadow().sql() +
                  " (id, v, pgeist_key_1) VALUES ('extra', 'x', 1000)");
    EXPECT_EQ(verify().differences, 1);
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql()), 30);
}

TEST_F(verification, IsNotMadeOfATruncatedSource) {
    start();
    corrupt("v = 'wrong'", 8);
    sql().execute("TRUNCATE t");
    verify::verifier checker(work());
    EXPECT_THROW(await(checker.compare_all()), transfer::source_truncated);
}

}  // namespace
}  // namespace pgeist::test
