// Every kind of DDL, twice: on real tables with rows, and in the trial. They must agree.

#include "probe_corpus.hpp"
#include "probe_test.hpp"

namespace pgeist::test {
namespace {

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
