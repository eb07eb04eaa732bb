// Names that are made to break quoting: whoever forgets to quote one loses a canary.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

class hostile_names : public run_test {
protected:
    /// A name out of pieces that break whoever forgets to quote; at most 63 bytes, cut between characters.
    std::string name(random_engine& random, const std::string& kind) {
        static const std::vector<std::string> pieces{"\"",
                                                     "'",
                                                     "\\",
                                                     "%",
                                                     "%s",
                                                     "{}",
                                                     "{0}",
                                                     "$$",
                                                     "$1",
                                                     "$body$",
                                                     ";",
                                                     "--",
                                                     "/*",
                                                     "*/",
                                                     "\n",
                                                     "\t",
                                                     " ",
                                                     ".",
                                                     "ä",
                                                     "漢字",
                                                     "\xF0\x9F\x90\x98",
                                                     "@job@",
                                                     "@table@",
                                                     "A",
                                                     "select",
                                                     "\"; DROP TABLE public.canary; --",
                                                     "'); DROP TABLE public.canary; --",
                                                     ":x",
                                                     "?",
                                                     "\r"};
        std::string text = kind + std::to_string(++counter);
        while (true) {
            const std::string& piece =
                pieces[static_cast<std::size_t>(pick(random, 0, static_cast<long long>(pieces.size()) - 1))];
            if (text.size() + piece.size() > 63 || (text.size() > 12 && chance(random, 8))) {
                return text;
            }
            text += piece;
        }
    }

    std::string q(const std::string& text) { return sql().identifier(text); }

    int counter = 0;
};

/// One table with everything that has a name, each a hostile one.
struct named_table {
    std::string schema;
    std::string table;
    std::string key;
    std::string plain;
    std::string added;
    std::string index;
    std::string check;
    std::string trigger;
    std::string reference;      ///< foreign key out
    std::string referenced_by;  ///< foreign key in
    std::string policy;
    std::string statistics;
    std::string full;
};

class named_things : public hostile_names {
protected:
    named_table make(random_engine& random) {
        named_table it;
        it.schema = name(random, "s");
        it.table = name(random, "t");
        it.key = name(random, "k");
        it.plain = name(random, "c");
        it.added = name(random, "a");
        it.index = name(random, "i");
        it.check = name(random, "h");
        it.trigger = name(random, "g");
        it.reference = name(random, "r");
        it.referenced_by = name(random, "b");
        it.policy = name(random, "p");
        it.statistics = name(random, "n");
        it.full = q(it.schema) + "." + q(it.table);
        const std::string parent = q(it.schema) + "." + q(name(random, "x"));
        const std::string child = q(it.schema) + "." + q(name(random, "y"));
        const std::string number = q(name(random, "z"));
        sql().execute("CREATE SCHEMA " + q(it.schema) + "; CREATE TABLE " + parent + " (" + number +
                      " int PRIMARY KEY); INSERT INTO " + parent + " SELECT generate_series(1, 500); CREATE TABLE " +
                      it.full + " (" + q(it.key) + " int PRIMARY KEY, " + q(it.plain) + " text, CONSTRAINT " +
                      q(it.check) + " CHECK (" + q(it.plain) + " <> 'no'), CONSTRAINT " + q(it.reference) +
                      " FOREIGN KEY (" + q(it.key) + ") REFERENCES " + parent + "); CREATE INDEX " + q(it.index) +
                      " ON " + it.full + " (lower(" + q(it.plain) + ")); INSERT INTO " + it.full +
                      " SELECT i, 'x' || i FROM generate_series(1, 500) AS i");
        sql().execute("CREATE TABLE " + child + " (" + number + " bigint CONSTRAINT " + q(it.referenced_by) +
                      " REFERENCES " + it.full + "); INSERT INTO " + child + " VALUES (1), (500)");
        sql().execute("CREATE STATISTICS " + q(it.schema) + "." + q(it.statistics) + " ON " + q(it.key) + ", " +
                      q(it.plain) + " FROM " + it.full + "; ALTER TABLE " + it.full +
                      " ENABLE ROW LEVEL SECURITY; CREATE POLICY " + q(it.policy) + " ON " + it.full + " USING (" +
                      q(it.plain) + " <> 'hidden')");
        sql().execute(
            "CREATE OR REPLACE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
        sql().execute("CREATE TRIGGER " + q(it.trigger) + " BEFORE UPDATE ON " + it.full +
                      " FOR EACH ROW EXECUTE FUNCTION public.keep()");
        return it;
    }

    /// The new table has each of them, once.
    void expect_kept(const named_table& it) {
        const auto count = [&](const std::string& from, const std::string& what) {
            return sql().number("SELECT count(*) FROM " + from, {it.full, what});
        };
        EXPECT_EQ(
            count("pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = $1::regclass AND x.relname = "
                  "$2",
                  it.index),
            1);
        const std::string constraint = "pg_constraint WHERE conrelid = $1::regclass AND convalidated AND conname = $2";
        EXPECT_EQ(count(constraint, it.check), 1);
        EXPECT_EQ(count(constraint, it.reference), 1);
        EXPECT_EQ(
            count("pg_constraint WHERE confrelid = $1::regclass AND convalidated AND conname = $2", it.referenced_by),
            1);
        EXPECT_EQ(count("pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2", it.trigger), 1);
        EXPECT_EQ(count("pg_policy WHERE polrelid = $1::regclass AND polname = $2", it.policy), 1);
        EXPECT_EQ(count("pg_statistic_ext WHERE stxrelid = $1::regclass AND stxname = $2", it.statistics), 1);
    }
};

TEST_F(named_things, are_only_names) {
    const std::uint64_t seed = workload_seed();
    SCOPED_TRACE("PGEIST_SEED=" + std::to_string(seed));
    random_engine random(seed);
    sql().execute("CREATE TABLE public.canary (id int)");
    for (int round = 0; round < 6; ++round) {
        const named_table it = make(random);
        const run_result result =
            command("run", {"--table", it.full, "--alter",
                            "ALTER COLUMN " + q(it.key) + " TYPE bigint, ADD COLUMN " + q(it.added) + " int", "--set",
                            q(it.added) + " = length(" + q(it.plain) + ")", "--chunk-rows", "100"});
        ASSERT_TRUE(exited(result, 0)) << "schema " << it.schema << ", table " << it.table;
        EXPECT_EQ(sql().scalar("SELECT count(*) || ' ' || sum(" + q(it.key) + ") || ' ' || sum(" + q(it.added) +
                               ") FROM " + it.full),
                  "500 125250 1892");
        expect_kept(it);
        EXPECT_EQ(sql().scalar("SELECT to_regclass('public.canary') IS NOT NULL"), "t");
        const run_result status = command("status", {"--output", "json"});
        EXPECT_EQ(status.events().size(), 1U) << status.out;
        expect_cleanup_leaves_nothing();
    }
}

// The bodies of the trigger functions are quoted by dollars, and name the key's columns.
TEST_F(hostile_names, a_key_that_ends_a_dollar_quote_is_only_a_name) {
    const std::string key = "$$; $pgeist$; DROP TABLE public.canary; --";
    sql().execute("CREATE TABLE public.canary (id int); CREATE TABLE public.t (" + q(key) +
                  " int PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 100)");
    pgeist_process running = start({"--alter", "ALTER COLUMN " + q(key) + " TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("UPDATE public.t SET " + q(key) + " = -1 WHERE " + q(key) + " = 7; DELETE FROM public.t WHERE " +
                  q(key) + " = 8");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().scalar("SELECT count(*) || ' ' || sum(" + q(key) + ") FROM public.t"), "99 5034");
    EXPECT_EQ(sql().scalar("SELECT to_regclass('public.canary') IS NOT NULL"), "t");
    expect_cleanup_leaves_nothing();
}

TEST_F(hostile_names, in_options_are_only_values) {
    make_table(100);
    sql().execute("CREATE TABLE public.canary (id int)");
    const std::string evil = "'; DROP TABLE public.canary; --";
    EXPECT_NE(command("run", {"--table", "t" + evil, "--repack"}).exit_code, 0);
    EXPECT_NE(command("run", {"--table", "\"t\"\"" + evil + "\"", "--repack"}).exit_code, 0);
    EXPECT_NE(run({"--repack", "--key", evil}).exit_code, 0);
    EXPECT_NE(
        run({"--repack", "--throttle-query", "SELECT 1); DROP TABLE public.canary; --", "--statement-timeout", evil})
            .exit_code,
        0);
    EXPECT_NE(run({"--alter", "ALTER COLUMN id TYPE bigint; DROP TABLE public.canary"}).exit_code, 0);
    EXPECT_NE(run({"--alter", "ADD COLUMN x int", "--set", "x = 1); DROP TABLE public.canary; --"}).exit_code, 0);
    EXPECT_NE(run({"--alter", "ADD COLUMN x int", "--set", "x = 1 FROM public.canary"}).exit_code, 0);
    EXPECT_EQ(sql().scalar("SELECT to_regclass('public.canary') IS NOT NULL"), "t");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
