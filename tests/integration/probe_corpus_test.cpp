// Every kind of DDL, three times: on real tables with rows, in the trial, and by the rules. Whoever disagrees is wrong.

#include <algorithm>

#include "pgeist/ddl/splitter.hpp"
#include "pgeist/probe/static_effects.hpp"
#include "probe_corpus.hpp"
#include "probe_test.hpp"

namespace pgeist::test {
namespace {

/// The settings of the case, as a file sets them.
std::string set_before(const corpus_case& each) {
    const std::string given = each.settings;
    const auto equals = given.find('=');
    if (given.empty()) {
        return "";
    }
    return given.starts_with("search_path")
               ? "SET search_path TO " + given.substr(equals + 1) + ";\n"
               : "SET " + given.substr(0, equals) + " TO '" + given.substr(equals + 1) + "';\n";
}

/// What the rules say of the statement when they have read all that made the tables: asked as a user asks, without a
/// connection, with a file that makes the tables before the one with the statement.
probe::effect by_rules(const corpus_case& each, int server_major) {
    std::vector<lint::source> files(2);
    files[0].name = "1";
    files[1].name = "2";
    files[0].text = std::string(corpus_setup) + each.setup + ";";
    files[1].text = set_before(each) + each.statement + ";";
    files[1].begins_simulation = false;
    lint::settings options;
    options.server.major = server_major;
    const auto migrations = lint::read(files, ddl::transaction_mode::automatic);
    const lint::report found = lint::check(files, migrations, options);
    probe::effect told;
    for (const lint::finding& one : found.findings) {
        if (one.file == "2" && one.statement == each.statement) {
            told = one.does;
        }
    }
    return told;
}

bool contains(const std::set<std::string>& all, const std::set<std::string>& part) {
    return std::includes(all.begin(), all.end(), part.begin(), part.end());
}

class probe_corpus : public probe_test {
protected:
    void run(const std::vector<corpus_case>& cases) {
        real_run real(db().uri());
        for (const corpus_case& each : cases) {
            if (each.since <= session().server_major() && session().server_major() <= each.until) {
                compare(each, real);
            }
        }
    }

private:
    void compare(const corpus_case& each, real_run& real) {
        SCOPED_TRACE(std::string(each.name) + ": " + each.statement);
        sql().execute("SET client_min_messages = warning; SET check_function_bodies = off");
        sql().execute(corpus_setup);
        sql().execute(each.setup);
        sql().execute("ANALYZE");
        const std::string leftovers = trace();

        probe::trial_options options;
        std::string settings;
        if (const std::string given = each.settings; !given.empty()) {
            const auto equals = given.find('=');
            const std::string name = given.substr(0, equals);
            const std::string value = given.substr(equals + 1);
            options.settings.emplace_back(name, value);
            settings = "SELECT set_config('" + name + "', '" + value + "', true)";
        }
        const auto answer = try_out(each.statement, options);
        EXPECT_EQ(trace(), leftovers) << "the trial has left something";
        if (!each.tried) {
            EXPECT_FALSE(answer.tried);
            EXPECT_NE(answer.why_not, "");
            return;
        }
        EXPECT_TRUE(answer.tried) << answer.why_not;
        const deed truth = real.run(settings, each.statement);
        const deed told = deed_of(answer.found);
        EXPECT_EQ(told, truth) << (answer.found.fails ? answer.found.fails->message : std::string());
        EXPECT_TRUE(answer.found.assumptions.empty()) << answer.found.assumptions.front();
        compare_with_rules(each, truth);
        compare_with_lint(each, truth);
        EXPECT_EQ(trace(), leftovers) << "lint has left something";
    }

    /// As a user asks, with a connection: what it tells is what happens.
    void compare_with_lint(const corpus_case& each, const deed& truth) {
        const std::string set = set_before(each);
        const lint::report found = lint_with_server({set + each.statement + ";"});
        const std::size_t line = set.empty() ? 1 : 2;
        deed told;
        for (const lint::finding& one : found.findings) {
            if (one.line == line) {
                told = deed_of(one.does);
                EXPECT_EQ(one.does.source, probe::evidence::tried) << one.rule << ": " << one.message;
            }
        }
        EXPECT_EQ(told, truth) << "lint is wrong";
    }

    /// Rules say nothing of locks on indexes. Where they rest on an assumption they may say more than is true, never
    /// less; that a statement fails they need not see.
    void compare_with_rules(const corpus_case& each, deed truth) {
        const probe::effect rules = by_rules(each, session().server_major());
        deed told = deed_of(rules);
        if (!truth.sqlstate.empty() || rules.fails) {
            EXPECT_FALSE(rules.fails && truth.sqlstate.empty()) << "the rules say: " << rules.fails->message;
            return;
        }
        truth.index_locks.clear();
        told.index_locks.clear();
        if (rules.assumptions.empty()) {
            EXPECT_EQ(told, truth) << "the rules are wrong";
            return;
        }
        const bool enough = contains(told.locks, truth.locks) && contains(told.rewrites, truth.rewrites) &&
                            (contains(told.scans, truth.scans) || !told.rewrites.empty()) &&
                            (contains(told.builds, truth.builds) || !told.rewrites.empty());
        EXPECT_TRUE(enough) << "the rules say too little, assuming that " << rules.assumptions.front() << "\n"
                            << told.text() << truth.text();
    }

    /// What others can see of the database.
    std::string trace() {
        return sql().scalar(
            "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace <> ALL(ARRAY(SELECT oid FROM pg_namespace WHERE "
            "nspname = 'pg_toast'))) || ' ' || (SELECT count(*) FROM pg_type) || ' ' || (SELECT count(*) FROM pg_proc) "
            "|| ' ' || (SELECT count(*) FROM pg_constraint) || ' ' || (SELECT count(*) FROM pg_namespace WHERE nspname "
            "!~ '^pg_(toast_)?temp_') || ' ' || (SELECT count(*) FROM pg_depend)");
    }
};

TEST_F(probe_corpus, alter_table) { run(alter_table_cases()); }
TEST_F(probe_corpus, column_types) { run(column_type_cases()); }
TEST_F(probe_corpus, partitions) { run(partition_cases()); }
TEST_F(probe_corpus, other_ddl) { run(other_ddl_cases()); }

}  // namespace
}  // namespace pgeist::test
