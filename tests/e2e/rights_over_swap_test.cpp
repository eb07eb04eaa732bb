// GRANT and REVOKE while the swap holds its locks: they wait for none of them, so that they succeed, and must not be
// lost.

#include <gtest/gtest.h>

#include <string>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class rights_over_swap : public run_test {};

/// Holds the swap's transaction at its first DROP TRIGGER, when the definition has been compared.
class held_swap {
public:
    explicit held_swap(test_database& database) : holder_(database.connect()) {
        holder_.execute(
            "CREATE FUNCTION public.hold() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF tg_tag = 'DROP "
            "TRIGGER' "
            "THEN PERFORM pg_advisory_xact_lock_shared(7002, 1); END IF; END $$;"
            "CREATE EVENT TRIGGER hold ON ddl_command_start EXECUTE FUNCTION public.hold()");
    }

    void close() { holder_.execute("SELECT pg_advisory_lock(7002, 1)"); }

    void wait_until_reached() {
        wait_for("the swap, held", [&] {
            return holder_.number(
                       "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7002 AND NOT "
                       "granted") == 1;
        });
    }

    void open() { holder_.execute("SELECT pg_advisory_unlock(7002, 1)"); }

private:
    sync_connection holder_;
};

// GRANT and REVOKE wait for no lock on the table.
TEST_F(rights_over_swap, RightsChangedWhileTheSwapHoldsTheTableAreNotLost) {
    make_table(50);
    const std::string app = db().create_role("app");
    sql().execute(
        "ALTER TABLE public.t ADD COLUMN n int GENERATED ALWAYS AS IDENTITY; GRANT SELECT (note) ON public.t TO " +
        app);
    held_swap swap(db());
    for (const std::string& change :
         {"REVOKE SELECT (note) ON public.t FROM " + app, "GRANT USAGE ON SEQUENCE public.t_n_seq TO " + app}) {
        pgeist_process running = start({"--repack", "--postpone-swap", "--lock-timeout", "20s"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        const table_state before = state_of();
        swap.close();
        EXPECT_TRUE(exited(command("swap", {text_of(only_job(db().uri()), "job")}), 0));
        swap.wait_until_reached();
        sql().execute(change);
        swap.open();
        const run_result result = running.finish();
        EXPECT_TRUE(exited(result, 1)) << change;
        EXPECT_TRUE(says(result, {"the definition of public.t was changed by someone else during the run"}));
        EXPECT_EQ(state_of().identity, before.identity);
        expect_cleanup_leaves_nothing();
    }
    EXPECT_EQ(sql().scalar("SELECT has_column_privilege('" + app + "', 'public.t', 'note', 'SELECT')"), "f");
    EXPECT_EQ(sql().scalar("SELECT has_sequence_privilege('" + app + "', 'public.t_n_seq', 'USAGE')"), "t");
}

}  // namespace
}  // namespace pgeist::test
