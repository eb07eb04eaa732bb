// repack-candidates: what it counts, and rounds of it in windows of time.

#include <gtest/gtest.h>

#include <ctime>
#include <map>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using words = std::vector<std::string>;

/// `HH:MM` by the local clock, so many minutes from now.
std::string clock_in(int minutes) {
    const std::time_t then = std::time(nullptr) + 60 * minutes;
    std::tm local{};
    ::localtime_r(&then, &local);
    char text[6];
    std::strftime(text, sizeof text, "%H:%M", &local);
    return text;
}

class candidates : public run_test {
protected:
    /// A table of which four of five rows are gone.
    void make_bloated(const std::string& name, int rows) {
        sql().execute("CREATE TABLE public." + name + " (id int PRIMARY KEY, note text); INSERT INTO public." + name +
                      " SELECT i, repeat('x', 90) FROM generate_series(1, " + std::to_string(rows) +
                      ") i; DELETE FROM public." + name + " WHERE id % 5 <> 0");
        sql().execute("VACUUM ANALYZE public." + name);
    }

    std::vector<boost::json::object> listed() {
        return command("repack-candidates", {"--min-size", "1MB", "--output", "json"}).events();
    }

    run_result round(words more) {
        words arguments{"--min-size", "1MB", "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("repack-candidates", arguments);
    }

    long long size_of(const std::string& table) {
        return sql().number("SELECT pg_relation_size($1::regclass)", {table});
    }
};

TEST_F(candidates, counts_toast_dropped_columns_and_indexes) {
    sql().execute(
        "CREATE TABLE public.toasted (id int PRIMARY KEY, body text); ALTER TABLE public.toasted ALTER COLUMN body SET "
        "STORAGE EXTERNAL; INSERT INTO public.toasted "
        "SELECT i, repeat('x', 7000) FROM generate_series(1, 1000) i; DELETE FROM public.toasted WHERE id % 4 <> 0; "
        "CREATE TABLE public.dropped (id int PRIMARY KEY, gone text, kept int); INSERT INTO public.dropped SELECT i, "
        "repeat('x', 200), i FROM generate_series(1, 20000) i; ALTER TABLE public.dropped DROP COLUMN gone; "
        "CREATE TABLE public.indexed (id int PRIMARY KEY, code int) WITH (fillfactor = 50); INSERT INTO public.indexed "
        "SELECT i, i FROM generate_series(1, 60000) i; CREATE INDEX indexed_code ON public.indexed (code)");
    // The heap is filled again where rows were, the index grows at its end alone.
    for (int round = 0; round < 2; ++round) {
        sql().execute("DELETE FROM public.indexed WHERE id % 10 <> 0");
        sql().execute("VACUUM public.indexed");
        sql().execute("INSERT INTO public.indexed SELECT id * 1000 + 100000000 * (1 + " + std::to_string(round) +
                      ") + k, id FROM public.indexed, generate_series(1, 9) k");
    }
    sql().execute("VACUUM ANALYZE public.toasted");
    sql().execute("VACUUM ANALYZE public.dropped");
    sql().execute("VACUUM ANALYZE public.indexed");
    std::map<std::string, boost::json::object> found;
    for (const auto& each : listed()) {
        found[text_of(each, "table")] = each;
    }
    ASSERT_EQ(found.count("public.toasted"), 1U);
    const auto& toasted = found["public.toasted"];
    const auto toast = static_cast<double>(number_of(toasted, "toast_bytes").value_or(0));
    EXPECT_NEAR(static_cast<double>(number_of(toasted, "toast_bloat_bytes").value_or(0)) / toast, 0.75, 0.05);
    EXPECT_NEAR(toasted.at("bloat_percent").to_number<double>(), 75, 6);
    ASSERT_EQ(found.count("public.dropped"), 1U);
    EXPECT_EQ(number_of(found["public.dropped"], "dropped_columns"), 1);
    EXPECT_GT(found["public.dropped"].at("bloat_percent").to_number<double>(), 70);
    EXPECT_EQ(text_of(found["public.dropped"], "method"), "copy");
    ASSERT_EQ(found.count("public.indexed"), 1U);
    EXPECT_EQ(text_of(found["public.indexed"], "method"), "reindex");
    EXPECT_EQ(number_of(found["public.indexed"], "saves_bytes"),
              number_of(found["public.indexed"], "index_bloat_bytes"));
}

TEST_F(candidates, a_round_rebuilds_the_best_and_tells_one_result) {
    make_bloated("larger", 40000);
    make_bloated("smaller", 20000);
    const long long smaller = size_of("public.smaller");
    const long long larger = size_of("public.larger");
    const run_result done = round({"--run", "1"});
    EXPECT_TRUE(exited(done, 0));
    EXPECT_EQ(done.events("result").size(), 1U);
    EXPECT_EQ(text_of(done.events().back(), "event"), "result");
    ASSERT_EQ(done.events("job").size(), 1U);
    EXPECT_EQ(text_of(done.events("job").front(), "table"), "public.larger");
    EXPECT_LT(size_of("public.larger"), larger / 3);
    EXPECT_EQ(size_of("public.smaller"), smaller);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist\\_%'"), 0)
        << "old tables are not kept";
    const run_result both = round({"--run", "5"});
    EXPECT_TRUE(exited(both, 0));
    EXPECT_LT(size_of("public.smaller"), smaller / 3);
    for (const auto& each : both.events("phase")) {
        EXPECT_EQ(number_of(each, "job"), 2);
    }
    expect_cleanup_leaves_nothing();
}

TEST_F(candidates, rebuilds_indexes_alone_where_that_suffices) {
    sql().execute(
        "CREATE TABLE public.indexed (id int PRIMARY KEY, code int); INSERT INTO public.indexed SELECT i, i FROM "
        "generate_series(1, 100000) i");
    sql().execute("CREATE TABLE public.spare AS SELECT * FROM public.indexed WHERE id % 10 = 0");
    sql().execute("TRUNCATE public.indexed");  // a new file, but then:
    sql().execute(
        "INSERT INTO public.indexed SELECT i, i FROM generate_series(1, 100000) i; DELETE FROM public.indexed "
        "WHERE id % 10 <> 0");
    sql().execute("VACUUM public.indexed");
    // The heap is as tight as can be; the index has the pages of before.
    sql().execute("INSERT INTO public.indexed SELECT 1000000 + i, i FROM generate_series(1, 90000) i");
    sql().execute("VACUUM ANALYZE public.indexed");
    const auto found = listed();
    ASSERT_EQ(found.size(), 1U);
    ASSERT_EQ(text_of(found[0], "method"), "reindex");
    const long long before = size_of("public.indexed_pkey");
    const long long file = sql().number("SELECT pg_relation_filenode('public.indexed'::regclass)");
    const run_result done = round({"--run", "1"});
    EXPECT_TRUE(exited(done, 0));
    EXPECT_EQ(text_of(done.events("job").front(), "strategy"), "reindex");
    EXPECT_LT(size_of("public.indexed_pkey"), before);
    EXPECT_EQ(sql().number("SELECT pg_relation_filenode('public.indexed'::regclass)"), file);
}

TEST_F(candidates, nothing_is_begun_outside_the_window) {
    make_bloated("larger", 20000);
    const run_result early = round({"--run", "1", "--window", clock_in(120) + "-" + clock_in(180)});
    EXPECT_TRUE(exited(early, 0));
    EXPECT_TRUE(early.events("job").empty());
    EXPECT_EQ(early.events("result").size(), 1U);
    EXPECT_TRUE(says(early, {"outside the window"}));
    EXPECT_TRUE(exited(round({"--run", "1", "--window", clock_in(-120) + "-" + clock_in(120)}), 0))
        << "over midnight, too";
    EXPECT_TRUE(listed().empty());
}

TEST_F(candidates, a_job_that_the_window_cut_off_is_gone_on_with_in_the_next_night) {
    make_bloated("larger", 20000);
    gate hold(db(), 1);
    sql().execute("CREATE INDEX larger_held ON public.larger ((" + hold.expression("id = 5000", "id") + "))");
    hold.close();
    wait_for("a minute that is not about to end", [] { return std::time(nullptr) % 60 < 40; });
    // The first night ends with this minute.
    const run_result first = round({"--run", "1", "--window", clock_in(-60) + "-" + clock_in(1)});
    EXPECT_TRUE(exited(first, 0));
    ASSERT_EQ(first.events("job").size(), 1U);
    EXPECT_EQ(first.events("result").size(), 1U);
    EXPECT_TRUE(says(first, {"is over"}));
    boost::json::object job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "interrupted");
    EXPECT_TRUE(is_true(job, "resumable"));
    hold.open();
    const run_result second = round({"--run", "1", "--window", clock_in(-60) + "-" + clock_in(60)});
    EXPECT_TRUE(exited(second, 0));
    ASSERT_EQ(second.events("job").size(), 1U);
    EXPECT_EQ(number_of(second.events("job").front(), "id"), 1) << "the same job";
    job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "done");
    EXPECT_TRUE(listed().empty());
    expect_cleanup_leaves_nothing();
}

TEST_F(candidates, the_worst_exit_code_is_told_and_the_others_are_done) {
    make_bloated("larger", 40000);
    make_bloated("smaller", 20000);
    const long long smaller = size_of("public.smaller");
    // The unique index on an expression cannot be walked, and the rows cannot be read: a check that fails.
    sql().execute(
        "CREATE FUNCTION public.fails(int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN IF "
        "current_setting('application_name') LIKE 'pgeist job%' THEN RAISE 'not for pgeist'; END IF; RETURN $1; END "
        "$$; "
        "CREATE INDEX larger_fails ON public.larger (public.fails(id))");
    const run_result done = round({"--run", "2"});
    EXPECT_EQ(done.events("job").size(), 2U);
    EXPECT_TRUE(exited(done, 1));
    EXPECT_LT(size_of("public.smaller"), smaller / 3);
    EXPECT_TRUE(says(done, {"public.larger"}));
}

}  // namespace
}  // namespace pgeist::test
