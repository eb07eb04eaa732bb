// Two jobs on tables that something ties to each other: the swap of one would end the other after hours. The second is
// refused while the first is there, whatever the tie.

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "e2e/run_test.hpp"
#include "support/sync_connection.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

struct tie {
    const char* name;
    const char* setup;
    const char* second;
};

void PrintTo(const tie& one, std::ostream* out) { *out << one.name; }

class tied_jobs : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(50);
            sql().execute(
                "CREATE TABLE public.u (id int PRIMARY KEY, t int); INSERT INTO public.u SELECT i, i FROM "
                "generate_series(1, 50) i");
        }
    }
};

class tied : public tied_jobs, public ::testing::WithParamInterface<tie> {};

TEST_P(tied, is_refused_until_the_first_is_done) {
    sql().execute(GetParam().setup);
    const std::vector<std::string> second{"--table", GetParam().second, "--repack", "--keep-old"};
    pgeist_process first = start({"--repack", "--postpone-swap", "--keep-old"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    for (const char* name : {"plan", "run"}) {
        const run_result refused = command(name, second);
        EXPECT_TRUE(exited(refused, 3));
        EXPECT_TRUE(says(refused, {"job 1", "public.t"}));
    }
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(first.finish(), 0));
    EXPECT_TRUE(exited(command("run", second), 0));
}

const std::vector<tie> ties = {
    {"foreign_key_to_it", "ALTER TABLE public.u ADD FOREIGN KEY (t) REFERENCES public.t", "u"},
    {"foreign_key_of_it", "ALTER TABLE public.t ADD FOREIGN KEY (id) REFERENCES public.u", "u"},
    {"view", "CREATE VIEW public.v AS SELECT t.note FROM public.t JOIN public.u USING (id)", "u"},
    {"views_on_views",
     "CREATE VIEW public.v1 AS SELECT id FROM public.t; CREATE VIEW public.v2 AS SELECT id FROM public.v1; CREATE VIEW "
     "public.v3 AS SELECT id FROM public.u; CREATE VIEW public.v4 AS SELECT FROM public.v2 JOIN public.v3 USING (id)",
     "u"},
    {"policy_that_reads_it", "CREATE POLICY p ON public.u USING (EXISTS (SELECT FROM public.t WHERE t.id = u.t))", "u"},
    {"policy_of_it", "CREATE POLICY p ON public.t USING (EXISTS (SELECT FROM public.u WHERE t.id = u.t))", "u"},
    {"function", "CREATE FUNCTION public.f() RETURNS bigint BEGIN ATOMIC SELECT count(*) FROM public.t, public.u; END",
     "u"},
    {"rule", "CREATE RULE r AS ON DELETE TO public.t DO ALSO DELETE FROM public.u WHERE u.t = OLD.id", "u"},
};

INSTANTIATE_TEST_SUITE_P(by, tied, ::testing::ValuesIn(ties),
                         [](const auto& one) { return std::string(one.param.name); });

TEST_F(tied_jobs, strangers_go_on_side_by_side) {
    pgeist_process first = start({"--repack", "--postpone-swap", "--keep-old"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("run", {"--table", "u", "--repack", "--keep-old"}), 0));
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(first.finish(), 0));
}

// Both look for the other's job before either has committed its own: one at a time.
TEST_F(tied_jobs, begun_at_the_same_moment) {
    sql().execute("ALTER TABLE public.u ADD FOREIGN KEY (t) REFERENCES public.t");
    auto holder = db().connect();
    holder.execute("BEGIN; SELECT pg_advisory_xact_lock(1885824361, 0)");
    pgeist_process first = start({"--repack", "--postpone-swap", "--keep-old"});
    pgeist_process second{db().uri(), {"run", "--table", "u", "--repack", "--postpone-swap", "--keep-old"}};
    wait_for("both wait for their turn", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885824361 AND objid "
                   "= 0 AND NOT granted") == 2;
    });
    holder.execute("COMMIT");
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result one = first.finish();
    const run_result other = second.finish();
    EXPECT_EQ(one.exit_code + other.exit_code, 3) << one.said() << other.said();
}

}  // namespace
}  // namespace pgeist::test
