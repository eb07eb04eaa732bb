// kill -9 at every point of a migration file: each statement has done its work exactly once in the end.

#include <gtest/gtest.h>

#include "e2e/file_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

constexpr int last_statement = 6;

class killed_in_file_base : public file_test {
protected:
    void SetUp() override {
        file_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(500);
        stop = std::make_unique<gate>(db(), 1);
        copying = std::make_unique<gate>(db(), 2);
    }
    void TearDown() override {
        process.reset();
        stop.reset();
        copying.reset();
        file_test::TearDown();
    }

    /// Five statements that leave a row of their number in public.done, and one copy among them. The one of number
    /// `gated` waits within its transaction, when the row is there already.
    std::string file(int gated) {
        std::string text;
        for (int number = 1; number <= last_statement; ++number) {
            if (number == 4) {
                text += "ALTER TABLE public.t ALTER COLUMN code TYPE bigint USING " +
                        copying->expression("id = 250", "code::bigint") + ";\n";
            } else {
                const std::string value = std::to_string(number);
                text += "INSERT INTO public.done SELECT " +
                        (number == gated ? stop->expression("true", value) : value) + ";\n";
            }
        }
        return text;
    }

    void start(int gated) { process = start_file(file(gated), {"--chunk-rows", "100", "--method", "copy"}); }

    void expect_once_after_resume() {
        wait_for("the job to be interrupted", [&] { return text_of(file_job(), "state") == "interrupted"; });
        const run_result refused = run_file("SELECT 1 WHERE false; " + std::string("SELECT 2"));
        EXPECT_TRUE(exited(refused, 0)) << "another file is not in the way";
        EXPECT_TRUE(exited(command("resume", {first_job()}), 0));
        expect_done_once();
    }

    void expect_done_once() {
        for (int number = 1; number <= last_statement; ++number) {
            EXPECT_EQ(times_done(number), number == 4 ? 0 : 1) << number;
        }
        EXPECT_EQ(type_of("code"), "bigint");
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code = id * 10"), 500);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname = 't' AND relkind = 'r' "
                               "AND relnamespace::regnamespace::text LIKE 'pgeist_%'"),
                  1)
            << "copied once";
        EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist_%'"), 0);
    }

    std::string first_job() { return sql().scalar("SELECT min(id) FROM pgeist.jobs WHERE parent IS NULL"); }

    std::unique_ptr<pgeist_process> process;
    std::unique_ptr<gate> stop;
    std::unique_ptr<gate> copying;
};

class killed_in_file : public killed_in_file_base, public testing::WithParamInterface<int> {};

using within = killed_in_file;

TEST_P(within, a_statement_it_is_done_once) {
    const int number = GetParam();
    gate& here = number == 4 ? *copying : *stop;
    here.close();
    start(number);
    here.wait_until_reached();
    process->kill_hard();
    here.open();
    expect_once_after_resume();
}

INSTANTIATE_TEST_SUITE_P(each, within, testing::Range(1, last_statement + 1));

using between = killed_in_file;

TEST_P(between, statements_each_is_done_once) {
    const int number = GetParam();
    start(0);
    process->wait_for_event("a step to be done", [&](const boost::json::object& event) {
        return text_of(event, "event") == "step" && text_of(event, "state") == "done" &&
               number_of(event, "number") == number;
    });
    process->kill_hard();
    expect_once_after_resume();
}

// After the last one there is nothing to be killed for long.
INSTANTIATE_TEST_SUITE_P(each, between, testing::Range(1, last_statement));

/// A message of the run that is lost, or whose answer is.
struct loss {
    const char* name;
    const char* after;
    const char* text;
    fate what;
};

void PrintTo(const loss& what, std::ostream* to) { *to << what.name; }

class cut_in_file : public killed_in_file_base, public testing::WithParamInterface<loss> {};

TEST_P(cut_in_file, each_statement_is_done_once) {
    tcp_proxy proxy(db().address());
    proxy.lay({GetParam().after, GetParam().text, GetParam().what});
    pgeist_process running(proxy.through(db().address()).uri(), {"run", "--output", "json", "--chunk-rows", "100",
                                                                 "--method", "copy", "--file", write(file(0))});
    EXPECT_TRUE(exited(running.finish(), 0)) << "ridden out";
    EXPECT_TRUE(proxy.sprung()) << "no message with " << GetParam().text;
    expect_done_once();
}

const loss losses[] = {
    {"answer_when_the_job_is_made", "INSERT INTO pgeist.files", "COMMIT", fate::answer_lost},
    {"request_of_a_statement", "SET CONSTRAINTS ALL IMMEDIATE", "COMMIT", fate::request_lost},
    {"answer_of_a_statement", "SET CONSTRAINTS ALL IMMEDIATE", "COMMIT", fate::answer_lost},
    {"request_when_the_copy_is_made", "SET parent", "COMMIT", fate::request_lost},
    {"answer_when_the_copy_is_made", "SET parent", "COMMIT", fate::answer_lost},
    {"request_of_a_chunk", "INSERT INTO pgeist.chunks", "COMMIT", fate::request_lost},
    {"request_of_the_swap", "swap_xid = pg_current_xact_id()", "COMMIT", fate::request_lost},
    {"answer_of_the_swap", "swap_xid = pg_current_xact_id()", "COMMIT", fate::answer_lost},
};

INSTANTIATE_TEST_SUITE_P(by, cut_in_file, testing::ValuesIn(losses),
                         [](const auto& each) { return std::string(each.param.name); });

class killed_anywhere : public file_test {
protected:
    std::unique_ptr<pgeist_process> begin_or_go_on(const std::string& file) {
        for (const boost::json::object& each : job_list(db().uri())) {
            if (!number_of(each, "parent")) {
                const std::vector<std::string> arguments{"resume", text_of(each, "job"), "--output", "json"};
                return std::make_unique<pgeist_process>(db().uri(), arguments);
            }
        }
        return start_file(file, {"--max-block", "1ms"});
    }
};

// Every method, the program killed at moments by chance: each statement once, everything valid, nothing left.
TEST_F(killed_anywhere, a_file_with_every_method_is_done_once) {
    make_table(2000);
    sql().execute(
        "CREATE TABLE public.o AS SELECT id FROM public.t; ALTER TABLE public.o ADD PRIMARY KEY (id); ANALYZE");
    const std::string file =
        "INSERT INTO public.done VALUES (1);\n"
        "CREATE INDEX t_code ON public.t (code);\n"
        "ALTER TABLE public.t ADD CONSTRAINT positive CHECK (code > 0), ADD COLUMN n int;\n"
        "UPDATE public.t SET n = code + 1;\n"
        "ALTER TABLE public.t ALTER n SET NOT NULL;\n"
        "CREATE UNIQUE INDEX t_n ON public.t (n);\n"
        "ALTER TABLE public.t ADD CONSTRAINT once UNIQUE USING INDEX t_n;\n"
        "INSERT INTO public.done VALUES (2);\n"
        "DELETE FROM public.t WHERE id > 1500;\n"
        "ALTER TABLE public.t ADD CONSTRAINT of_o FOREIGN KEY (id) REFERENCES public.o;\n"
        "ALTER TABLE public.t ALTER code TYPE bigint;\n"
        "REINDEX TABLE public.t;\n"
        "DROP INDEX public.t_code;\n"
        "INSERT INTO public.done VALUES (3);\n";
    const std::uint64_t seed = workload_seed();
    random_engine random(seed);
    bool ended = false;
    for (int life = 1; life <= 40 && !ended; ++life) {
        const auto running = begin_or_go_on(file);
        // Some way on each time, else nothing would ever end.
        const std::uint64_t steps = 1 + random() % 5;
        const std::uint64_t events = 1 + random() % 4;
        wait_for("some events", [&] {
            std::uint64_t steps_seen = 0;
            std::uint64_t seen_since = 0;
            for (const boost::json::object& event : parse_json_lines(running->process().out())) {
                ended = ended || text_of(event, "event") == "result";
                seen_since += steps_seen >= steps ? 1 : 0;
                steps_seen += text_of(event, "event") == "step" ? 1 : 0;
            }
            return ended || seen_since >= events;
        });
        if (ended) {
            EXPECT_TRUE(exited(running->finish(), 0)) << "PGEIST_SEED=" << seed;
        } else {
            running->kill_hard();
            wait_for_end_of_sessions();
        }
    }
    EXPECT_TRUE(ended) << "PGEIST_SEED=" << seed;
    EXPECT_EQ(sql().scalar("SELECT string_agg(number::text, ' ' ORDER BY number) FROM public.done"), "1 2 3");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE n = code + 1"), 1500);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1500);
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(sql().scalar("SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = "
                           "'public.t'::regclass AND contype <> 'n' AND convalidated"),
              "of_o once positive t_pkey");
    EXPECT_EQ(sql().scalar("SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) "
                           "FROM pg_index WHERE indrelid "
                           "= 'public.t'::regclass AND indisvalid"),
              "once t_pkey");
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist\\_%'"), 0);
}

}  // namespace
}  // namespace pgeist::test
