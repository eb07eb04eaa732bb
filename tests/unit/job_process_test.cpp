#include "pgeist/job/process.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace pgeist::job {
namespace {

std::string with_last_word(const std::string& described, const std::string& word) {
    return described.substr(0, described.rfind(' ') + 1) + word;
}

TEST(process, this_one_runs) {
    ASSERT_FALSE(this_process().empty());
    EXPECT_EQ(this_process(), this_process());
    EXPECT_EQ(find_process(this_process()), presence::running);
}

TEST(process, a_later_one_of_the_same_number_is_another_one) {
    EXPECT_EQ(find_process(with_last_word(this_process(), "1")), presence::ended);
}

TEST(process, of_another_boot_or_unreadable_is_unknown) {
    EXPECT_EQ(find_process("other" + this_process()), presence::unknown);
    EXPECT_EQ(find_process(""), presence::unknown);
    const std::string own = this_process();
    const std::string without_start = own.substr(0, own.rfind(' '));
    EXPECT_EQ(find_process(without_start), presence::unknown);
    EXPECT_EQ(find_process(without_start.substr(0, without_start.rfind(' ')) + " -1 5"), presence::unknown);
}

TEST(process, that_has_ended_is_ended_whether_waited_for_or_not) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
        const std::string described = this_process();
        const bool told =
            ::write(ends[1], described.data(), described.size()) == static_cast<ssize_t>(described.size());
        ::_exit(told ? 0 : 1);
    }
    ASSERT_GT(child, 0);
    char text[256];
    const ssize_t size = ::read(ends[0], text, sizeof text);
    ASSERT_GT(size, 0);
    const std::string described(text, static_cast<std::size_t>(size));
    ::siginfo_t ended{};
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT), 0);  // stays a zombie
    EXPECT_EQ(find_process(described), presence::ended);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(find_process(described), presence::ended);
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace pgeist::job
