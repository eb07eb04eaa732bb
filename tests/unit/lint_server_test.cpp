// What rules make of a server's facts: sizes, other sessions, indexes that are not valid, replicas, settings.

#include <gtest/gtest.h>

#include "lint_test.hpp"

namespace pgeist::lint {
namespace {

/// Tables t and u as a server would tell of them.
answers told_by_server(std::int64_t bytes, std::int64_t rows) {
    answers made;
    for (const char* const sql : {"CREATE TABLE public.t (id int PRIMARY KEY, a int)", "CREATE TABLE public.u (a int)",
                                  "CREATE UNIQUE INDEX i ON public.t (a)"}) {
        made.server.schema.apply(ddl::understand(sql));
    }
    probe::measure_of size;
    size.bytes = bytes;
    size.rows = rows;
    made.server.schema.set_measure("public.t", size);
    made.server.schema.set_measure("public.u", size);
    made.server.schema.set_complete();
    made.server.address = "r@h:1/d";
    return made;
}

report checked(const std::string& text, const answers& said, settings options = {}) {
    source file;
    file.name = "m.sql";
    file.text = text;
    file.named = true;
    const std::vector<source> files{file};
    return check(files, read(files, ddl::transaction_mode::statement), options, &said);
}

const finding* find(const report& found, const std::string& rule) {
    for (const finding& each : found.findings) {
        if (each.rule == rule) {
            return &each;
        }
    }
    return nullptr;
}

bool says(const report& found, const std::string& rule, const std::string& words) {
    for (const finding& each : found.findings) {
        if (each.rule == rule && each.message.find(words) != std::string::npos) {
            return true;
        }
    }
    return false;
}

constexpr std::int64_t megabyte = 1024 * 1024;

TEST(lint_server, size_decides) {
    const char* const sql = "ALTER TABLE t ALTER a TYPE bigint;";
    EXPECT_TRUE(test::has(checked(sql, told_by_server(megabyte, 1000)), "changing-column-type", level::info));
    const report large = checked(sql, told_by_server(1000 * megabyte, 10'000'000));
    EXPECT_TRUE(test::has(large, "changing-column-type", level::error));
    EXPECT_GT(find(large, "changing-column-type")->does.blocks_ms.value_or(0), 1000);
    EXPECT_TRUE(says(large, "use-pgeist", "a copy does, in about"));
    settings patient;
    patient.max_block = std::chrono::hours(1);
    EXPECT_FALSE(test::has(checked(sql, told_by_server(1000 * megabyte, 10'000'000), patient), "changing-column-type",
                           level::error));
}

TEST(lint_server, nobody_waits_for_work_under_a_weak_lock) {
    const report found = checked("CREATE INDEX CONCURRENTLY j ON t (a);", told_by_server(1000 * megabyte, 10'000'000));
    EXPECT_EQ(found.count(level::error), 0U);
    ASSERT_FALSE(found.findings.empty());
    EXPECT_EQ(found.findings.front().does.blocks_ms, 0);
    EXPECT_EQ(found.findings.front().does.source, probe::evidence::catalog);
}

TEST(lint_server, small_updates_give_no_alarm) {
    EXPECT_TRUE(
        test::has(checked("UPDATE t SET a = 1;", told_by_server(megabyte, 1000)), "unbatched-write", level::info));
    EXPECT_TRUE(test::has(checked("UPDATE t SET a = 1;", told_by_server(1000 * megabyte, 10'000'000)),
                          "unbatched-write", level::warning));
}

TEST(lint_server, says_who_is_in_the_way) {
    answers said = told_by_server(megabyte, 1000);
    bystander other;
    other.who = "pid 12 (user app, application psql)";
    other.seconds = 90;
    other.locks.push_back({"public.t", probe::lock_mode::access_share});
    other.old_snapshot = true;
    said.server.others.push_back(other);
    EXPECT_TRUE(says(checked("ALTER TABLE t ADD b int;", said), "blocked-now", "pid 12 (user app, application psql)"));
    EXPECT_FALSE(says(checked("ALTER TABLE u ADD b int;", said), "blocked-now", "pid 12"));
    EXPECT_FALSE(says(checked("INSERT INTO t VALUES (1);", said), "blocked-now", "pid 12")) << "it is in nobody's way";
    EXPECT_TRUE(says(checked("CREATE INDEX CONCURRENTLY j ON u (a);", said), "blocked-now", "old snapshot"));
    EXPECT_FALSE(says(checked("ALTER TABLE u VALIDATE CONSTRAINT c;", said), "blocked-now", "pid 12"));
    said.server.others.front().seconds = 0.1;
    EXPECT_EQ(find(checked("ALTER TABLE t ADD b int;", said), "blocked-now"), nullptr) << "gone in a moment";
    said.server.others.front().seconds.reset();
    EXPECT_NE(find(checked("ALTER TABLE t ADD b int;", said), "blocked-now"), nullptr) << "how old, it may not see";
}

TEST(lint_server, names_an_index_that_is_not_valid) {
    answers said = told_by_server(megabyte, 1000);
    const char* const sql = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);";
    EXPECT_EQ(find(checked(sql, said), "invalid-index-in-the-way"), nullptr);
    EXPECT_NE(find(checked(sql, said), "needless-change"), nullptr);
    probe::measure_of size;
    size.valid = false;
    said.server.schema.set_measure("public.i", size);
    const report found = checked(sql, said);
    EXPECT_TRUE(says(found, "invalid-index-in-the-way", "public.i exists and is not valid"));
    EXPECT_TRUE(says(found, "invalid-index-in-the-way", "refuses duplicates"));
    EXPECT_EQ(find(found, "needless-change"), nullptr);
    EXPECT_TRUE(test::has(checked("CREATE UNIQUE INDEX CONCURRENTLY i ON t (a);", said), "will-fail", level::error));
    EXPECT_TRUE(test::has(checked("ALTER TABLE t ADD CONSTRAINT c UNIQUE USING INDEX i;", said),
                          "invalid-index-in-the-way", level::error));
    bystander builder;
    builder.who = "pid 7 (user dba)";
    builder.building = "public.i";
    said.server.others.push_back(builder);
    EXPECT_TRUE(says(checked(sql, said), "invalid-index-in-the-way", "pid 7 (user dba) is building it"));
}

TEST(lint_server, another_index_of_that_name) {
    const answers said = told_by_server(megabyte, 1000);
    for (const char* const sql :
         {"CREATE INDEX i ON u (a);", "CREATE INDEX i ON t (a);", "CREATE UNIQUE INDEX i ON t (id);",
          "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (id, a);"}) {
        const report found = checked(sql, said);
        EXPECT_TRUE(says(found, "invalid-index-in-the-way", "another definition")) << sql;
        EXPECT_EQ(find(found, "needless-change"), nullptr) << sql;
    }
}

TEST(lint_server, tells_of_room) {
    answers said = told_by_server(2000 * megabyte, 10'000'000);
    EXPECT_TRUE(test::has(checked("ALTER TABLE t ALTER a TYPE bigint;", said), "room", level::info));
    said.server.logical_slots = 1;
    said.server.kept_wal = 100 * megabyte;
    EXPECT_TRUE(test::has(checked("ALTER TABLE t ALTER a TYPE bigint;", said), "room", level::warning));
    probe::measure_of wide;
    wide.columns = 1600;
    said.server.schema.set_measure("public.t", wide);
    EXPECT_TRUE(test::has(checked("ALTER TABLE t ADD b int;", said), "room", level::error));
    said.server.lock_slots = 4;
    EXPECT_TRUE(says(checked("ALTER TABLE u ADD FOREIGN KEY (a) REFERENCES t;", said), "room", "locks are held"));
}

TEST(lint_server, tells_of_replicas) {
    answers said = told_by_server(2000 * megabyte, 10'000'000);
    EXPECT_EQ(find(checked("ALTER TABLE t ALTER a TYPE bigint;", said), "replica-impact"), nullptr);
    said.server.standbys = 2;
    EXPECT_TRUE(says(checked("ALTER TABLE t ALTER a TYPE bigint;", said), "replica-impact", "2 standbys"));
    EXPECT_EQ(find(checked("ALTER TABLE t ADD b int;", said), "replica-impact"), nullptr) << "over in a moment";
    said.server.standbys = 0;
    probe::measure_of size;
    size.published = true;
    said.server.schema.set_measure("public.t", size);
    EXPECT_TRUE(says(checked("ALTER TABLE t ADD b int;", said), "replica-impact", "is published"));
    EXPECT_EQ(find(checked("ALTER TABLE t ALTER a SET DEFAULT 1;", said), "replica-impact"), nullptr);
}

TEST(lint_server, knows_the_roles_settings) {
    answers said = told_by_server(megabyte, 1000);
    const char* const sql = "CREATE INDEX CONCURRENTLY j ON t (a);";
    EXPECT_EQ(find(checked(sql, said), "session-settings"), nullptr);
    said.server.statement_timeout = 5000;
    EXPECT_TRUE(says(checked(sql, said), "session-settings", "statement_timeout = 5.0s"));
    EXPECT_EQ(find(checked(std::string("SET statement_timeout = 0; ") + sql, said), "session-settings"), nullptr);
    EXPECT_NE(find(checked("ALTER TABLE t ADD b int;", said), "require-lock-timeout"), nullptr);
    said.server.lock_timeout = 2000;
    EXPECT_EQ(find(checked("ALTER TABLE t ADD b int;", said), "require-lock-timeout"), nullptr);
    said.server.pooler = true;
    EXPECT_TRUE(says(checked("SET lock_timeout = '1s';", said), "session-settings", "pooler"));
}

TEST(lint_server, the_servers_version_counts) {
    settings options;
    options.server = {14, 2};
    EXPECT_TRUE(test::has(checked("CREATE INDEX CONCURRENTLY j ON t (a);", told_by_server(megabyte, 1000), options),
                          "cic-version-bug", level::error));
}

TEST(lint_server, its_parser_decides) {
    answers said = told_by_server(megabyte, 1000);
    said.of_files = {{answer()}};
    said.of_files[0][0].accepted = true;
    const report read_by_server = checked("ALTRE TABLE t;", said);
    EXPECT_TRUE(test::has(read_by_server, "not-analysed", level::warning));
    EXPECT_FALSE(read_by_server.unreadable);
    EXPECT_EQ(read_by_server.gaps.size(), 1U);
    said.of_files[0][0].accepted = false;
    said.of_files[0][0].rejected = "syntax error at or near \"ALTRE\"";
    const report rejected = checked("ALTRE TABLE t;", said);
    EXPECT_TRUE(says(rejected, "syntax-error", "at or near \"ALTRE\""));
    EXPECT_TRUE(rejected.unreadable);
}

TEST(lint_server, what_is_there_already_is_needless) {
    const auto failing = [](const char* sql, const char* state) {
        answers said = told_by_server(megabyte, 1000);
        probe::effect does;
        does.source = probe::evidence::tried;
        does.fails = probe::failure{"m", state, ""};
        said.of_files = {{answer()}};
        said.of_files[0][0].tried = does;
        return checked(sql, said);
    };
    EXPECT_NE(find(failing("CREATE TABLE t (a int);", "42P07"), "needless-change"), nullptr);
    EXPECT_NE(find(failing("ALTER TABLE t ADD a int;", "42701"), "needless-change"), nullptr);
    EXPECT_NE(find(failing("DROP TABLE gone;", "42P01"), "needless-change"), nullptr);
    EXPECT_NE(find(failing("ALTER TABLE t RENAME b TO a;", "42703"), "needless-change"), nullptr);
    EXPECT_EQ(find(failing("ALTER TABLE t RENAME b TO c;", "42703"), "needless-change"), nullptr);
    EXPECT_NE(find(failing("ALTER TABLE t ALTER c SET NOT NULL;", "42703"), "will-fail"), nullptr);
}

}  // namespace
}  // namespace pgeist::lint
