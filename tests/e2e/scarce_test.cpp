// Too little of something: connections, temporary files, disk. Each ends in a clear stop with the source untouched, and
// when there is enough again, resume goes on to the end with every row right.

#include <gtest/gtest.h>

#include <pwd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// The job belongs to a plain owner of the table: superusers have connections and files of their own.
class scarce : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(30'000);
            owner = db().create_role("owner");
            give_to_owner(sql());
            sql().execute("CREATE TABLE public.expected AS TABLE public.t");
        }
    }

    void give_to_owner(sync_connection& admin) {
        admin.execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE public.t OWNER TO " +
                      owner);
    }

    run_result run_as_owner(const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"run", "--table", "public.t", "--alter", "ALTER COLUMN id TYPE bigint"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return run_pgeist(db().uri_as(owner), std::move(arguments));
    }

    /// The source is as it was and in use, what is written now is not lost, and resume brings the job to its end.
    void expect_resume_finishes() {
        EXPECT_EQ(type_of("id"), "integer");
        const boost::json::object job = only_job(db().uri());
        EXPECT_TRUE(is_true(job, "resumable")) << text_of(job, "state");
        for (const char* table : {"public.t", "public.expected"}) {
            sql().execute(std::string("UPDATE ") + table + " SET note = 'meanwhile' WHERE id IN (1, 15000, 30000)");
        }
        EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"resume", text_of(job, "job")}), 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        expect_cleanup_leaves_nothing();
    }

    std::string owner;
};

TEST_F(scarce, connections_of_the_role_stop_it_with_exit_9) {
    sql().execute("ALTER ROLE " + owner + " CONNECTION LIMIT 2");
    const run_result result = run_as_owner({"--reconnect-max", "1s"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"too many connections for role", "pgeist resume"}));
    sql().execute("ALTER ROLE " + owner + " CONNECTION LIMIT -1");
    expect_resume_finishes();
}

TEST_F(scarce, connections_to_the_database_stop_it_with_exit_9) {
    sql().execute("ALTER DATABASE " + db().name() + " CONNECTION LIMIT 3");  // the test's own is one
    const run_result result = run_as_owner({"--reconnect-max", "1s"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"too many connections for database", "pgeist resume"}));
    sql().execute("ALTER DATABASE " + db().name() + " CONNECTION LIMIT -1");
    expect_resume_finishes();
}

TEST_F(scarce, temporary_files_stop_the_build) {
    sql().execute("CREATE INDEX wide ON public.t (repeat(note, 100))");
    // A superuser's setting, on the owner: 1 MB of temporary files, and memory that makes the sort need more.
    sql().execute("ALTER ROLE " + owner + " SET temp_file_limit = '1MB'");
    const run_result result = run_as_owner({"--maintenance-work-mem", "1MB"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"temp_file_limit", "pgeist resume"}));
    sql().execute("ALTER ROLE " + owner + " RESET temp_file_limit");
    expect_resume_finishes();
}

// ---------------------------------------------------------------------------------------------------------------------

/// A server of its own, whose max_connections other sessions use up.
class full_server : public scarce {
protected:
    void SetUp() override {
        scarce::SetUp();
        if (IsSkipped()) {
            return;
        }
        server = std::make_unique<private_server>(
            server_major(sql()), "max_connections=16 superuser_reserved_connections=3 max_wal_senders=2");
    }

    static std::string type_of_id(sync_connection& admin) {
        return admin.scalar(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND "
            "attname = 'id'");
    }

    std::unique_ptr<private_server> server;
};

TEST_F(full_server, stops_it_with_exit_9_and_it_can_be_resumed) {
    test_database there(server->address());
    const std::string role = there.create_role("owner");
    sync_connection admin = there.connect();
    admin.execute("GRANT CREATE ON DATABASE " + there.name() + " TO " + role +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + role +
                  "; CREATE TABLE public.t (id int PRIMARY KEY, note text); INSERT INTO public.t SELECT i, 'n' || i "
                  "FROM generate_series(1, 3000) AS i; ALTER TABLE public.t OWNER TO " +
                  role);
    const std::string count = "SELECT count(*) FROM pg_stat_activity WHERE usename = '" + role + "'";
    std::vector<std::unique_ptr<sync_connection>> others;
    std::string refused;
    while (refused.empty()) {
        try {
            others.push_back(std::make_unique<sync_connection>(there.uri_as(role)));
        } catch (const sql_error& failure) {
            refused = failure.what();
        }
    }
    EXPECT_NE(refused.find("connection slots"), std::string::npos) << refused;
    ASSERT_GT(others.size(), 5U);
    others.resize(others.size() - 2);  // one for the lock, one for the work; a second worker finds none
    wait_for("two free places", [&] { return admin.number(count) == static_cast<long long>(others.size()); });
    const run_result result = run_pgeist(there.uri_as(role), {"run", "--table", "public.t", "--alter",
                                                              "ALTER COLUMN id TYPE bigint", "--reconnect-max", "1s"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"connection slots", "pgeist resume"}));
    EXPECT_EQ(type_of_id(admin), "integer");
    others.clear();
    wait_for("free places", [&] { return admin.number(count) == 0; });
    EXPECT_TRUE(exited(run_pgeist(there.uri_as(role), {"resume", text_of(only_job(there.uri()), "job")}), 0));
    EXPECT_EQ(type_of_id(admin), "bigint");
    EXPECT_EQ(admin.scalar("SELECT count(*) || ' ' || count(DISTINCT note) || ' ' || sum(id) FROM public.t"),
              "3000 3000 4501500");
    EXPECT_TRUE(exited(run_pgeist(there.uri(), {"cleanup", "--all"}), 0));
}

// ---------------------------------------------------------------------------------------------------------------------

/// A tablespace on a small file system in memory.
class small_disk : public scarce {
protected:
    void SetUp() override {
        scarce::SetUp();
        if (IsSkipped()) {
            return;
        }
        folder = std::filesystem::temp_directory_path() / ("pgeist-disk-" + db().name());
        const ::passwd* account = ::getpwnam("postgres");
        std::filesystem::create_directory(folder);
        if (::geteuid() != 0 || account == nullptr || ::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=8m") != 0) {
            GTEST_SKIP() << "a small file system cannot be mounted here: " << std::strerror(errno);
        }
        mounted = true;
        ASSERT_EQ(::chown(folder.c_str(), account->pw_uid, account->pw_gid), 0);
        space = db().name() + "_small";
        sql().execute("CREATE TABLESPACE " + space + " LOCATION '" + folder.string() + "'");
        sql().execute("GRANT CREATE ON TABLESPACE " + space + " TO " + owner);
    }

    void TearDown() override {
        if (!space.empty()) {
            sql().sqlstate_of("DROP TABLE public.t");
            run_pgeist(db().uri(), {"cleanup", "--all"});
            EXPECT_EQ(sql().sqlstate_of("DROP TABLESPACE " + space), "");
        }
        if (mounted) {
            ::umount2(folder.c_str(), MNT_DETACH);
        }
        std::filesystem::remove(folder);
        scarce::TearDown();
    }

    /// A run that the full file system stops can be resumed when there is room again.
    void expect_stopped_and_resumed() {
        const run_result result = run_as_owner();
        EXPECT_TRUE(exited(result, 1));
        EXPECT_TRUE(says(result, {"No space left on device", "pgeist resume"}));
        enlarge();
        expect_resume_finishes();
        sql().execute("DROP TABLE public.hog");
    }

    void enlarge() { ASSERT_EQ(::mount("tmpfs", folder.c_str(), "tmpfs", MS_REMOUNT, "size=64m"), 0); }

    std::filesystem::path folder;
    std::string space;
    bool mounted = false;
};

TEST_F(small_disk, full_in_the_copy_stops_it) {
    sql().execute("ALTER TABLE public.t SET TABLESPACE " + space);  // 1.8 MB
    sql().execute("CREATE TABLE public.hog TABLESPACE " + space +
                  " AS SELECT repeat('x', 100) FROM generate_series(1, "
                  "40000)");  // 5.4 MB
    expect_stopped_and_resumed();
}

TEST_F(small_disk, full_in_an_index_build_stops_it) {
    sql().execute("CREATE INDEX large ON public.t (repeat(note, 12)) TABLESPACE " + space);  // 4 MB of 8
    sql().execute("CREATE TABLE public.hog TABLESPACE " + space +
                  " AS SELECT repeat('x', 100) FROM generate_series(1, "
                  "15000)");  // 2 MB
    expect_stopped_and_resumed();
}

}  // namespace
}  // namespace pgeist::test
