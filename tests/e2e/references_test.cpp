// A key and all that refers to it, changed at once: --with-references, several --table, and files.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include "e2e/file_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_description.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using words = std::vector<std::string>;

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
        text.replace(at, from.size(), to);
    }
    return text;
}

class references : public file_test {
protected:
    /// The same tables twice: in `public`, which the program changes, and in `plain`, which ALTER TABLE does.
    void make(const std::string& script) {
        sql().execute("CREATE SCHEMA plain");
        for (const char* schema : {"public", "plain"}) {
            sql().execute("SET search_path TO " + std::string(schema) + "; " + script + "; RESET search_path");
        }
    }

    void alter_plainly(const std::string& script) {
        sql().execute("SET search_path TO plain; " + script + "; RESET search_path");
    }

    /// Each table is as ALTER TABLE leaves its twin, rows included.
    void expect_as_plain(const words& tables) {
        for (const std::string& each : tables) {
            EXPECT_EQ(
                description_difference(describe_table(sql(), "plain", each), describe_table(sql(), "public", each)),
                words())
                << each;
            EXPECT_EQ(sql().number("SELECT count(*) FROM ((TABLE plain." + each + " EXCEPT ALL TABLE public." + each +
                                   ") UNION ALL (TABLE public." + each + " EXCEPT ALL TABLE plain." + each + ")) d"),
                      0)
                << each;
        }
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE NOT convalidated"), 0);
    }

    boost::json::object plan_with(words more, int expected = 0) {
        more.insert(more.end(), {"--output", "json"});
        const run_result result = command("plan", std::move(more));
        EXPECT_TRUE(exited(result, expected));
        const auto events = result.events("plan");
        return events.empty() ? boost::json::object() : events.front();
    }

    static words texts(const boost::json::object& plan, const char* list, const char* member) {
        words all;
        for (const boost::json::value& each : plan.at(list).as_array()) {
            all.push_back(text_of(each.as_object(), member));
        }
        return all;
    }
};

constexpr const char* eight_tables = R"(
    CREATE TABLE users (id int PRIMARY KEY, manager int REFERENCES users, name text);
    CREATE TABLE orders (id serial PRIMARY KEY, user_id int NOT NULL REFERENCES users ON DELETE CASCADE);
    CREATE TABLE accounts (user_id int PRIMARY KEY REFERENCES users (id), balance numeric);
    CREATE TABLE entries (id int PRIMARY KEY, account int REFERENCES accounts (user_id) DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE teams (id int PRIMARY KEY, leader int REFERENCES users);
    CREATE TABLE members (team int REFERENCES teams, user_id int REFERENCES users, PRIMARY KEY (team, user_id));
    CREATE TABLE badges (id int PRIMARY KEY, team int, user_id int,
                         FOREIGN KEY (team, user_id) REFERENCES members ON UPDATE CASCADE);
    CREATE TABLE wishes (id int PRIMARY KEY, user_id bigint REFERENCES users, other int);
    CREATE TABLE owners (id int PRIMARY KEY, wish_of int REFERENCES users);
    CREATE INDEX ON orders (user_id);
    CREATE VIEW names AS SELECT u.name, o.id AS order_id, o.user_id FROM users u JOIN orders o ON o.user_id = u.id;
    INSERT INTO users SELECT i, nullif(i / 2, 0), 'u' || i FROM generate_series(1, 300) i;
    INSERT INTO orders (user_id) SELECT i % 300 + 1 FROM generate_series(1, 500) i;
    INSERT INTO accounts SELECT i, i FROM generate_series(1, 300) i;
    INSERT INTO entries SELECT i, i FROM generate_series(1, 300) i;
    INSERT INTO teams SELECT i, i FROM generate_series(1, 30) i;
    INSERT INTO members SELECT i % 30 + 1, i FROM generate_series(1, 300) i;
    INSERT INTO badges SELECT i, i % 30 + 1, i FROM generate_series(1, 300) i;
    INSERT INTO wishes SELECT i, i, i FROM generate_series(1, 50) i;
    INSERT INTO owners SELECT i, i FROM generate_series(1, 50) i)";

// Eight of the nine change: wishes has the type already.
TEST_F(references, int_keys_and_all_that_refers_to_them_become_bigint) {
    make(eight_tables);
    alter_plainly(
        "DROP VIEW names; ALTER TABLE users ALTER id TYPE bigint, ALTER manager TYPE bigint; ALTER TABLE orders ALTER "
        "user_id TYPE bigint; ALTER TABLE accounts ALTER user_id TYPE bigint; ALTER TABLE entries ALTER account TYPE "
        "bigint; ALTER TABLE teams ALTER leader TYPE bigint; ALTER TABLE members ALTER user_id TYPE bigint; ALTER "
        "TABLE "
        "badges ALTER user_id TYPE bigint; ALTER TABLE owners ALTER wish_of TYPE bigint; CREATE VIEW names AS SELECT "
        "u.name, o.id AS order_id, o.user_id FROM users u JOIN orders o ON o.user_id = u.id");
    const run_result result = command("run", {"--table", "users", "--alter", "ALTER COLUMN id TYPE bigint",
                                              "--with-references", "--drop-old", "--output", "json"});
    EXPECT_TRUE(exited(result, 0));
    expect_as_plain({"users", "orders", "accounts", "entries", "teams", "members", "badges", "owners", "wishes"});
    EXPECT_EQ(type_of("user_id", "public.names"), "bigint");
    const run_result again = command(
        "run", {"--table", "users", "--alter", "ALTER COLUMN id TYPE bigint", "--with-references", "--drop-old"});
    EXPECT_TRUE(exited(again, 0)) << "it is so already";
    expect_cleanup_leaves_nothing();
}

TEST_F(references, a_column_that_is_renamed_before_another_changes_its_type_follows) {
    make(
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, pid int REFERENCES p, x int); "
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1, 2)");
    EXPECT_TRUE(exited(command("run", {"--table", "p", "--alter", "ALTER id TYPE bigint", "--table", "c", "--alter",
                                       "RENAME COLUMN pid TO parent_id", "--alter", "ALTER x TYPE bigint",
                                       "--with-references", "--drop-old"}),
                       0));
    EXPECT_EQ(type_of("parent_id", "public.c"), "bigint");
    EXPECT_EQ(type_of("x", "public.c"), "bigint");
    expect_cleanup_leaves_nothing();
}

constexpr const char* text_keys = R"(
    CREATE TABLE users (id text PRIMARY KEY DEFAULT gen_random_uuid()::text, parent text REFERENCES users, name text);
    CREATE TABLE orders (id int PRIMARY KEY, "User" text NOT NULL REFERENCES users, other text REFERENCES users);
    CREATE TABLE notes (id int PRIMARY KEY, author text REFERENCES users ON DELETE SET NULL);
    ALTER TABLE users ALTER id DROP DEFAULT;
    INSERT INTO users SELECT md5(i::text), CASE WHEN i > 1 THEN md5((i / 2)::text) END, 'u' || i FROM generate_series(1, 200) i;
    INSERT INTO orders SELECT i, md5((i % 200 + 1)::text), md5((i % 7 + 1)::text) FROM generate_series(1, 400) i;
    INSERT INTO notes SELECT i, md5((i % 200 + 1)::text) FROM generate_series(1, 100) i)";

TEST_F(references, text_becomes_uuid_in_a_key_and_in_four_references) {
    make(text_keys);
    alter_plainly(
        "ALTER TABLE users DROP CONSTRAINT users_parent_fkey; ALTER TABLE orders DROP CONSTRAINT \"orders_User_fkey\", "
        "DROP CONSTRAINT orders_other_fkey; ALTER TABLE notes DROP CONSTRAINT notes_author_fkey; ALTER TABLE users "
        "ALTER "
        "id TYPE uuid USING id::uuid, ALTER parent TYPE uuid USING parent::uuid; ALTER TABLE orders ALTER \"User\" "
        "TYPE "
        "uuid USING \"User\"::uuid, ALTER other TYPE uuid USING other::uuid; ALTER TABLE notes ALTER author TYPE uuid "
        "USING author::uuid; ALTER TABLE users ADD FOREIGN KEY (parent) REFERENCES users; ALTER TABLE orders ADD "
        "FOREIGN "
        "KEY (\"User\") REFERENCES users, ADD FOREIGN KEY (other) REFERENCES users; ALTER TABLE notes ADD FOREIGN KEY "
        "(author) REFERENCES users ON DELETE SET NULL");
    const run_result result = command("run", {"--table", "users", "--alter", "ALTER COLUMN id TYPE uuid USING id::uuid",
                                              "--with-references", "--drop-old"});
    EXPECT_TRUE(exited(result, 0));
    expect_as_plain({"users", "orders", "notes"});
    expect_cleanup_leaves_nothing();
}

TEST_F(references, a_plan_lists_members_and_what_is_left_alone) {
    sql().execute(
        "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES "
        "users); "
        "CREATE TABLE audit (user_id int, users_id int, other int); CREATE FUNCTION name_of(user_id int) RETURNS text "
        "LANGUAGE sql AS 'SELECT ''x'''; CREATE FUNCTION count_orders(int) RETURNS bigint LANGUAGE sql AS 'SELECT "
        "count(*) "
        "FROM orders WHERE user_id = $1'; CREATE FUNCTION plus(int) RETURNS int LANGUAGE sql AS 'SELECT $1 + 1'");
    const auto plan = plan_with({"--table", "users", "--alter", "ALTER COLUMN id TYPE bigint", "--with-references"});
    ASSERT_TRUE(plan.contains("group"));
    EXPECT_EQ(texts(plan, "group", "table"), (words{"public.users", "public.orders"}));
    EXPECT_EQ(texts(plan, "group", "because"),
              (words{"asked for", "foreign key orders_user_id_fkey (user_id) refers to public.users (id)"}));
    EXPECT_EQ(texts(plan, "steps", "method"), (words{"copy", "copy"}));
    EXPECT_EQ(texts(plan, "steps", "table"), (words{"public.users", "public.orders"}));
    EXPECT_EQ(texts(plan, "looks_like_references", "column"), (words{"user_id", "users_id"}));
    EXPECT_EQ(plan.at("functions"), (boost::json::array{"public.count_orders(integer)", "public.name_of(integer)"}));
    EXPECT_NE(text_of(plan, "alternative").find("children first, one by one"), std::string::npos);
    EXPECT_FALSE(is_true(plan, "refused"));

    const run_result text =
        command("plan", {"--table", "users", "--alter", "ALTER COLUMN id TYPE bigint", "--with-references"});
    EXPECT_TRUE(says(text, {"Group of 2 tables", "public.audit (user_id)", "for all of them at once"}));
    const auto uuid = plan_with({"--table", "users", "--alter", "ALTER COLUMN id TYPE text", "--with-references"});
    EXPECT_EQ(text_of(uuid, "alternative"), "") << "integer and text cannot refer to each other";
    expect_nothing_left();
}

TEST_F(references, what_cannot_be_changed_is_refused_by_name) {
    sql().execute(
        "CREATE TABLE users (id int PRIMARY KEY, n int); CREATE TABLE events (user_id int REFERENCES users, at date) "
        "PARTITION BY RANGE (at); CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO "
        "('2027-01-01'); CREATE TABLE notes (id int PRIMARY KEY, author int REFERENCES users); CREATE FUNCTION "
        "anew(int) "
        "RETURNS bigint LANGUAGE sql AS 'SELECT $1::bigint'");
    const auto refused = [&](const std::string& alter, const words& says_what) {
        for (const char* name : {"plan", "run"}) {
            const run_result result = command(name, {"--table", "users", "--alter", alter, "--with-references"});
            EXPECT_TRUE(exited(result, 3));
            EXPECT_TRUE(says(result, says_what));
        }
    };
    refused("ALTER COLUMN id TYPE bigint", {"public.events is partitioned", "events_user_id_fkey"});
    sql().execute("DROP TABLE events");
    refused("ALTER COLUMN id TYPE bigint USING anew(id)", {"public.notes (author)", "another value each time"});
    refused("ALTER COLUMN id TYPE bigint USING id + n", {"public.notes (author)", "USING id + n"});
    refused("ALTER COLUMN id TYPE nothing", {"nothing"});
    sql().execute(
        "CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts DEFAULT");
    const run_result family = command(
        "plan", {"--table", "parts", "--alter", "ADD COLUMN a int", "--table", "part", "--alter", "ADD COLUMN b int"});
    EXPECT_TRUE(exited(family, 3));
    EXPECT_TRUE(says(family, {"public.part is a partition"}));
    expect_nothing_left();
}

TEST_F(references, a_job_on_a_tied_table_is_told_how_both_are_changed_at_once) {
    sql().execute(
        "CREATE TABLE users (id int PRIMARY KEY); CREATE TABLE orders (id int PRIMARY KEY, user_id int REFERENCES "
        "users)");
    pgeist_process first(db().uri(), {"run", "--table", "users", "--alter", "ALTER COLUMN id TYPE bigint",
                                      "--postpone-swap", "--output", "json"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    const run_result second =
        command("run", {"--table", "orders", "--alter", "ALTER COLUMN user_id TYPE bigint", "--method", "copy"});
    EXPECT_TRUE(exited(second, 3));
    EXPECT_TRUE(says(second, {"pgeist run --table public.users --alter \"ALTER COLUMN id TYPE bigint\" --table "
                              "public.orders --alter \"ALTER COLUMN user_id TYPE bigint\""}));
    EXPECT_TRUE(exited(command("cancel", {"1"}), 0));
    EXPECT_TRUE(exited(first.finish(), 6));
}

TEST_F(references, tables_that_are_not_tied_are_changed_one_after_the_other) {
    sql().execute(
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 50); CREATE TABLE b (id int "
        "PRIMARY "
        "KEY); INSERT INTO b SELECT generate_series(1, 50)");
    const words asked{"--table", "a", "--set",   "n = id * 2",       "--alter",  "ADD COLUMN n int",
                      "--table", "b", "--alter", "ADD COLUMN m int", "--method", "auto"};
    const auto plan = plan_with(asked);
    EXPECT_EQ(texts(plan, "steps", "method"), (words{"copy", "native"}));
    words with_more = asked;
    with_more.insert(with_more.end(), {"--drop-old", "--output", "json"});
    const run_result result = command("run", with_more);
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM a WHERE n = id * 2"), 50);
    EXPECT_EQ(type_of("m", "public.b"), "integer");
}

TEST_F(references, neighbours_in_a_file_are_one_group) {
    sql().execute(
        "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 50); CREATE TABLE orders "
        "(id "
        "int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO orders SELECT i, i FROM generate_series(1, 50) i");
    const std::string two =
        "ALTER TABLE users ALTER COLUMN id TYPE text USING 'u' || id;\n"
        "ALTER TABLE orders ALTER COLUMN user_id TYPE text USING 'u' || user_id;\n";
    const auto plan = plan_of(two);
    EXPECT_EQ(texts(plan, "group", "table"), (words{"public.users", "public.orders"}));
    EXPECT_TRUE(exited(run_file(two, {"--drop-old"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM users JOIN orders ON user_id = users.id WHERE user_id LIKE 'u%'"), 50);
    EXPECT_TRUE(exited(run_file(two, {"--drop-old"}), 0)) << "it was run";
    const std::string more = "ALTER TABLE users ADD COLUMN a int;\n" +
                             replaced(replaced(two, "text", "int"), "'u' || ", "substr") +
                             "INSERT INTO public.done VALUES (2);\n";
    const std::string back =
        replaced(replaced(more, "substrid", "substr(id, 2)::int"), "substruser_id", "substr(user_id, 2)::int");
    const run_result whole = run_file(back, {"--drop-old", "--output", "json"});
    EXPECT_TRUE(exited(whole, 0));
    EXPECT_EQ(type_of("user_id", "public.orders"), "integer");
    EXPECT_EQ(times_done(2), 1);
    EXPECT_EQ(
        sql().scalar("SELECT string_agg(s.state, ' ' ORDER BY s.number) FROM pgeist.steps s JOIN pgeist.jobs j ON "
                     "j.id = s.job WHERE j.kind = 'file'"),
        "done done")
        << "what can be merged into the copy of users is";
}

TEST_F(references, a_group_that_is_a_step_of_a_file_can_be_taken_back) {
    sql().execute(
        "CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 50); CREATE TABLE orders "
        "(id int PRIMARY KEY, user_id int REFERENCES users); INSERT INTO orders SELECT i, i FROM generate_series(1, "
        "50) i");
    const std::string file =
        "CREATE TABLE notes (a int);\nALTER TABLE users ALTER COLUMN id TYPE bigint;\n"
        "ALTER TABLE orders ALTER COLUMN user_id TYPE bigint;\n";
    ASSERT_TRUE(exited(run_file(file, {"--revertible"}), 0));
    const auto jobs = job_list(db().uri());
    ASSERT_EQ(jobs.size(), 3U) << "the file's, and one of each table";
    sql().execute("BEGIN; INSERT INTO users VALUES (51); INSERT INTO orders VALUES (51, 51); COMMIT");
    ASSERT_TRUE(exited(command("revert", {text_of(jobs.back(), "job")}), 0));
    EXPECT_EQ(type_of("id", "public.users") + " " + type_of("user_id", "public.orders"), "integer integer");
    EXPECT_EQ(sql().number("SELECT count(*) FROM users JOIN orders ON user_id = users.id"), 51);
    EXPECT_EQ(sql().number("SELECT count(*) FROM notes"), 0) << "what is no copy stays";
    ASSERT_TRUE(exited(command("revert", {text_of(copies().front(), "job")}), 0));
    EXPECT_EQ(type_of("id", "public.users") + " " + type_of("user_id", "public.orders"), "bigint bigint");
    EXPECT_TRUE(exited(command("cleanup", {text_of(file_job(), "job")}), 0));
    EXPECT_TRUE(job_list(db().uri()).empty());
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname ~ '^pgeist_'"), 0);
}

}  // namespace
}  // namespace pgeist::test
