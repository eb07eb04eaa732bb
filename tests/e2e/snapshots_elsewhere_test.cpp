// Snapshots that are not a client session's of this server: those made with a replication slot, and those of standbys.

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

const std::vector<std::string> soon_giving_up{"run",      "--output",        "json", "--table",         "t",
                                              "--repack", "--swap-max-wait", "2s",   "--swap-attempts", "3"};

class snapshots_elsewhere : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(500);
        }
    }
};

// The initial copy of a new subscription reads by such a snapshot.
TEST_F(snapshots_elsewhere, one_made_with_a_replication_slot_is_waited_for) {
    sync_connection walsender(db().address().with("replication", "database").uri());
    walsender.execute("CREATE_REPLICATION_SLOT " + db().name() + " TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT");
    const run_result result = run_pgeist(db().uri(), soon_giving_up);
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"pid " + std::to_string(walsender.backend_pid()), "--ignore-old-snapshots"}));
    walsender.execute("IDENTIFY_SYSTEM");  // any command ends the snapshot
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_cleanup_leaves_nothing();
}

/// A primary with a standby that reports every second what its queries need.
class snapshots_on_a_standby : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        primary = std::make_unique<private_server>(server_major(sql()));
        there = std::make_unique<test_database>(primary->address());
        admin = std::make_unique<sync_connection>(there->connect());
        admin->execute(
            "CREATE TABLE public.t (id int PRIMARY KEY, note text); INSERT INTO public.t SELECT i, 'n' || i FROM "
            "generate_series(1, 500) AS i; CREATE TABLE public.other (n int)");
        admin.reset();
        standby = std::make_unique<private_server>(replica_of{*primary});
        admin = std::make_unique<sync_connection>(there->connect());
        sync_connection other(standby->address().uri());
        other.execute("ALTER SYSTEM SET hot_standby_feedback = on");
        other.execute("ALTER SYSTEM SET wal_receiver_status_interval = 1");
        other.execute("ALTER SYSTEM SET max_standby_streaming_delay = -1");
        other.execute("SELECT pg_reload_conf()");
    }

    void TearDown() override {
        reader.reset();
        standby.reset();
        admin.reset();
        there.reset();
        primary.reset();
        run_test::TearDown();
    }

    /// A session of the standby, in the database of the test.
    void read_there() {
        reader = std::make_unique<sync_connection>(standby->address().with("dbname", there->name()).uri());
        reader->execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    }

    std::unique_ptr<private_server> primary;
    std::unique_ptr<private_server> standby;
    std::unique_ptr<test_database> there;
    std::unique_ptr<sync_connection> admin;
    std::unique_ptr<sync_connection> reader;
};

TEST_F(snapshots_on_a_standby, that_reports_them_are_waited_for) {
    read_there();
    wait_for("the standby's report", [&] {
        return admin->number("SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL") == 1;
    });
    const run_result result = run_pgeist(there->uri(), soon_giving_up);
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"standby ", "hot_standby_feedback", "--ignore-old-snapshots"}));
    EXPECT_EQ(reader->number("SELECT count(*) FROM public.t"), 500);
    reader->execute("COMMIT");
    EXPECT_TRUE(exited(run_pgeist(there->uri(), {"resume", "1"}), 0));
}

TEST_F(snapshots_on_a_standby, are_not_waited_for_where_nobody_reads) {
    wait_for("the standby's report", [&] {
        return admin->number("SELECT count(*) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL") == 1;
    });
    // Whoever writes for long elsewhere holds the number back that a standby reports.
    admin->execute("BEGIN; INSERT INTO public.other VALUES (1)");
    EXPECT_TRUE(exited(run_pgeist(there->uri(), {"run", "--table", "t", "--repack"}), 0));
    admin->execute("COMMIT");
}

}  // namespace
}  // namespace pgeist::test
