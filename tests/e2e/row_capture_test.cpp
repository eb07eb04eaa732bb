// Where statement triggers would end the application's statements, or would not fire, each row is captured by itself.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

class row_capture : public run_test {
protected:
    /// Whether the job's triggers on public.t are row triggers, the one for TRUNCATE left out.
    bool by_row() {
        return sql().scalar(
                   "SELECT bool_and(tgtype & 1 = 1) FROM pg_trigger WHERE tgrelid = 'public.t'::regclass AND "
                   "tgname LIKE 'pgeist\\_%' AND tgname NOT LIKE '%truncate'") == "t";
    }

    void expect_captured_by_row(const std::string& why) {
        const run_result planned = command("plan", {"--table", "t", "--repack"});
        EXPECT_TRUE(exited(planned, 0));
        EXPECT_TRUE(says(planned, {why, "each changed row is logged by itself"}));
        pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
        running.wait_for_phase("swap");
        EXPECT_TRUE(by_row());
        write();
        EXPECT_TRUE(exited(command("swap", {"1"}), 0));
        EXPECT_TRUE(exited(running.finish(), 0));
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 4500);
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code = 1"), 4500);
        EXPECT_EQ(type_of("id"), "bigint");
        expect_cleanup_leaves_nothing();
    }

    /// Each statement changes far more than 64 kB.
    virtual void write() {
        const std::string padded = "repeat('x', 200)";
        sync_connection writer = db().connect_as(writer_);
        writer.execute("UPDATE public.t SET note = " + padded + ", code = 1");
        writer.execute("DELETE FROM public.t WHERE id % 2 = 0");
        writer.execute("INSERT INTO public.t SELECT i, " + padded + ", 1, 1 FROM generate_series(3001, 6000) AS i");
    }

    void make_writer() {
        make_table(3000);
        writer_ = db().create_role("writer");
        sql().execute("GRANT SELECT, INSERT, UPDATE, DELETE ON public.t TO " + writer_);
    }

    std::string writer_;
};

TEST_F(row_capture, where_a_writer_has_a_limit_of_temporary_files) {
    make_writer();
    sql().execute("ALTER ROLE " + writer_ + " IN DATABASE " + db().name() +
                  " SET temp_file_limit = '64kB'; ALTER ROLE " + writer_ + " SET work_mem = '64kB'");
    expect_captured_by_row("64kB for role " + writer_);
}

TEST_F(row_capture, where_a_writer_is_one_by_a_role_that_it_may_become) {
    make_writer();
    const std::string group = writer_;
    writer_ = db().create_role("becomes", "NOINHERIT");
    sql().execute("GRANT " + group + " TO " + writer_ + "; ALTER ROLE " + writer_ +
                  " SET temp_file_limit = '64kB'; ALTER "
                  "ROLE " +
                  writer_ + " SET work_mem = '64kB'; ALTER ROLE " + writer_ + " SET role = " + group);
    expect_captured_by_row("64kB for role " + writer_);
}

TEST_F(row_capture, where_an_applier_fires_row_triggers_only) {
    make_writer();
    sql().execute(
        "SET allow_system_table_mods = on; INSERT INTO pg_extension (oid, extname, extowner, extnamespace, "
        "extrelocatable, extversion) VALUES (16383, 'pglogical', 10, 2200, false, '2')");
    expect_captured_by_row("pglogical");
    sql().execute("DELETE FROM pg_extension WHERE extname = 'pglogical'; RESET allow_system_table_mods");
}

TEST_F(row_capture, not_where_a_limit_is_of_no_matter) {
    make_writer();
    const std::string reader = db().create_role("reader");
    sql().execute("GRANT SELECT ON public.t TO " + reader + "; ALTER ROLE " + reader +
                  " SET temp_file_limit = '64kB'; "
                  "ALTER ROLE " +
                  writer_ + " SET temp_file_limit = '64kB'; ALTER ROLE " + writer_ + " IN DATABASE " + db().name() +
                  " SET temp_file_limit = '-1'");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    EXPECT_FALSE(by_row());
    EXPECT_TRUE(exited(command("cancel", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 6));
}

}  // namespace
}  // namespace pgeist::test
