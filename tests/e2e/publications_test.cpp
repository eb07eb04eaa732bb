// Publications that name a table to leave it out, and sequences in publications and subscriptions: PostgreSQL 19.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class publications : public run_test {
protected:
    void TearDown() override {
        if (subscriber_) {
            drop_subscription();
        }
        run_test::TearDown();
    }

    /// The tests need 19; before it there is nothing to test.
    bool prepare() {
        if (server_major(sql()) < 19) {
            return false;
        }
        make_table(100);
        return true;
    }

    /// A database that subscribes to everything of `publication`; it has `tables`.
    sync_connection& subscribe(const std::string& publication, const std::string& tables) {
        subscriber_ = std::make_unique<test_database>(*server_under_test());
        subscribed_ = std::make_unique<sync_connection>(subscriber_->connect());
        subscribed_->execute(tables);
        // A subscription on the same server waits for itself when it is to make the slot.
        sql().execute("SELECT pg_create_logical_replication_slot('" + subscriber_->name() + "', 'pgoutput')");
        subscribed_->execute("CREATE SUBSCRIPTION everything CONNECTION '" + db().uri() + "' PUBLICATION " +
                             publication + " WITH (create_slot = false, slot_name = '" + subscriber_->name() + "')");
        return *subscribed_;
    }

    void drop_subscription() {
        subscribed_->execute(
            "ALTER SUBSCRIPTION everything DISABLE; ALTER SUBSCRIPTION everything SET (slot_name = NONE)");
        subscribed_->execute("DROP SUBSCRIPTION everything");
        const std::string slot = "FROM pg_replication_slots WHERE slot_name = '" + subscriber_->name() + "'";
        wait_for("nobody reads the slot", [&] { return sql().number("SELECT count(*) " + slot + " AND active") == 0; });
        sql().execute("SELECT pg_drop_replication_slot(slot_name) " + slot);
        subscribed_.reset();
        subscriber_.reset();
    }

    std::string left_out() {
        return sql().scalar(
            "SELECT string_agg(prrelid::regclass::text, ' ' ORDER BY prrelid::regclass::text) FROM "
            "pg_publication_rel WHERE prexcept");
    }

    test_database& subscriber() { return *subscriber_; }

private:
    std::unique_ptr<test_database> subscriber_;
    std::unique_ptr<sync_connection> subscribed_;
};

constexpr const char* most =
    "CREATE TABLE public.beside (id int PRIMARY KEY); CREATE PUBLICATION most FOR ALL TABLES EXCEPT (TABLE public.t, "
    "TABLE public.beside), ALL SEQUENCES";

TEST_F(publications, that_leave_the_table_out_leave_out_the_new_one) {
    if (!prepare()) {
        return;
    }
    sql().execute(most);
    const run_result result = run({"--alter", "ALTER COLUMN id TYPE bigint", "--keep-old"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(left_out(), "beside pgeist_1.t t");
    EXPECT_EQ(sql().scalar("SELECT puballtables AND puballsequences FROM pg_publication WHERE pubname = 'most'"), "t");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_publication_tables WHERE tablename = 't'"), 0);
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(left_out(), "beside t");
}

TEST_F(publications, that_leave_the_table_out_need_a_superuser) {
    if (!prepare()) {
        return;
    }
    sql().execute(most);
    const std::string owner = db().create_role("owner");
    sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE public.t OWNER TO " + owner);
    const table_state before = state_of();
    const run_result result =
        run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"publication most", "ALL TABLES EXCEPT public.t", "superuser"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(publications, that_leave_another_table_out_meanwhile_end_the_run) {
    if (!prepare()) {
        return;
    }
    sql().execute(most);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("ALTER PUBLICATION most SET ALL TABLES EXCEPT (TABLE public.t)");
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone"}));
    EXPECT_EQ(left_out(), "t");
    expect_cleanup_leaves_nothing();
}

TEST_F(publications, of_all_tables_are_refused_while_they_have_a_subscriber_but_not_for_a_repack) {
    if (!prepare()) {
        return;
    }
    sql().execute(most);
    // REPACK (CONCURRENTLY) of any table has a slot while it runs.
    auto reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.beside");
    auto repack = db().connect();
    repack.send("REPACK (CONCURRENTLY) public.beside");
    wait_for("REPACK to ask for its last lock", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE relation = 'public.beside'::regclass AND mode = "
                   "'AccessExclusiveLock' AND NOT granted") == 1;
    });
    const run_result planned = command("plan", {"--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(planned, 0));
    EXPECT_FALSE(planned.mentions("who reads slot"));
    reader.execute("COMMIT");
    repack.finish();
    subscribe("most", "");
    const run_result refused = run({"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"publication most", "ALL TABLES", "ALL SEQUENCES", "subscribers"}));
    expect_nothing_left();
}

TEST_F(publications, of_all_sequences_are_refused_while_they_have_a_subscriber) {
    if (!prepare()) {
        return;
    }
    sql().execute(
        "CREATE SEQUENCE public.numbers OWNED BY public.t.code; CREATE PUBLICATION numbered FOR ALL SEQUENCES");
    const std::vector<std::string> change{"--alter", "ALTER COLUMN code TYPE bigint"};
    subscribe("numbered", "CREATE SEQUENCE public.numbers");
    const run_result refused = run(change);
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"publication numbered", "ALL SEQUENCES", "subscribers"}));
    expect_nothing_left();
    drop_subscription();
    const run_result done = run(change);
    EXPECT_TRUE(exited(done, 0));
    EXPECT_TRUE(says(done, {"publication numbered", "ALL SEQUENCES", "ALTER SEQUENCE public.numbers AS bigint"}));
    expect_cleanup_leaves_nothing();
}

TEST_F(publications, to_whose_sequences_a_tables_own_is_subscribed_are_named) {
    if (!prepare()) {
        return;
    }
    const std::string table = "CREATE TABLE public.owner (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text)";
    sql().execute(table + "; CREATE PUBLICATION numbered FOR ALL SEQUENCES");
    sync_connection& there = subscribe("numbered", table);
    ASSERT_EQ(there.number("SELECT count(*) FROM pg_subscription_rel"), 1);
    const run_result refused =
        run_pgeist(subscriber().uri(), {"run", "--table", "owner", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"sequence public.owner_id_seq of subscription everything", "drop the subscription"}));
    EXPECT_EQ(there.scalar("SELECT to_regnamespace('pgeist') IS NULL"), "t");
}

}  // namespace
}  // namespace pgeist::test
