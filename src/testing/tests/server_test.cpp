// Servers of tests: ready when start() returns, gone when the test is, however it ends.

#include <taskstore/os/process.hpp>
#include <taskstore/testing/child.hpp>
#include <taskstore/testing/server.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace taskstore {
namespace {

using testing::HasSubstr;

/// Listens on the port that it is given; `before` runs first.
ServerCommand listener(const std::string& before = "") {
    const std::string program =
        "import socket,sys,time\n" + before +
        "s=socket.socket();s.setsockopt(socket.SOL_SOCKET,socket.SO_REUSEADDR,1)\n"
        "s.bind(('127.0.0.1',int(sys.argv[1])));s.listen(9)\n"
        "print('listening',flush=True)\nwhile True: s.accept()[0].close()\n";
    return {.words = {"python3", "-c", program, "{port}", "{folder}"}};
}

TEST(Servers, AnswerAsSoonAsStartReturnsAndAreGoneAfterwards) {
    std::string folder;
    std::int64_t pid = 0;
    {
        const auto server = Server::start(listener());
        ASSERT_TRUE(server) << server.error().message;
        pid = (*server)->pid();
        folder = (*server)->folder();
        EXPECT_GT((*server)->port(), 0);
        EXPECT_TRUE((*server)->is_running());
        EXPECT_THAT((*server)->output(), HasSubstr("listening"));
    }
    EXPECT_FALSE(os::identify_process(pid));
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(Servers, AreAskedToEndFirstAndKilledIfTheyDoNot) {
    ServerCommand deaf = listener("import signal;signal.signal(signal.SIGTERM,signal.SIG_IGN)\n");
    deaf.stop_ms_max = 20;
    const auto server = Server::start(deaf);
    ASSERT_TRUE(server) << server.error().message;
    (*server)->stop();
    EXPECT_FALSE((*server)->is_running());
}

TEST(Servers, StartAgainOnThePortAndFolderThatTheyHad) {
    const auto server = Server::start(listener("open(sys.argv[2]+'/starts','a').write('x')\n"));
    ASSERT_TRUE(server) << server.error().message;
    const std::uint16_t port = (*server)->port();
    (*server)->kill();
    EXPECT_FALSE((*server)->is_running());
    ASSERT_TRUE((*server)->start_again());
    EXPECT_EQ((*server)->port(), port);
    std::ifstream starts((*server)->folder() + "/starts");
    EXPECT_EQ(std::string(std::istreambuf_iterator<char>(starts), {}), "xx");
}

TEST(Servers, ThatEndAtOnceSayWhy) {
    const auto server = Server::start({.words = {"sh", "-c", "echo no such cluster >&2; exit 3"}});
    ASSERT_FALSE(server);
    EXPECT_THAT(server.error().message, HasSubstr("no such cluster"));
    const auto missing = Server::start({.words = {"no-such-program"}});
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
}

TEST(Servers, ThatAreNeverReadyAreEndedInTime) {
    ServerCommand mute{.words = {"python3", "-c", "import signal;signal.pause()"},
                       .ready_ms_max = 50};
    const auto server = Server::start(mute);
    ASSERT_FALSE(server);
    EXPECT_EQ(server.error().code, Code::timed_out);
}

TEST(Servers, DieWithAKilledTest) {
    const TemporaryFolder folder;
    Child test([&](Pipe& pipe) {
        ::setenv("TMPDIR", folder.path().c_str(), 1);  // A killed test leaves its folders behind.
        const auto server = Server::start(listener());
        if (!server) return 1;
        std::ofstream(folder / "pid") << (*server)->pid() << std::flush;
        pipe.send('r');
        pipe.receive();
        return 0;
    });
    ASSERT_EQ(test.pipe().receive(), 'r');
    std::int64_t pid = 0;
    std::ifstream(folder / "pid") >> pid;
    const auto process = os::identify_process(pid);
    ASSERT_TRUE(process);
    test.kill();
    const auto gone = os::wait_for_exit(*process, 10'000);
    ASSERT_TRUE(gone);
    EXPECT_TRUE(*gone);
}

TEST(Servers, PostgresAnswersQueriesAndSurvivesACrash) {
    const auto server = start_postgres();
    ASSERT_TRUE(server) << server.error().message;
    EXPECT_THAT(postgres_location(**server), HasSubstr("postgresql://postgres@127.0.0.1:"));
    (*server)->kill();
    const Status again = (*server)->start_again();
    EXPECT_TRUE(again) << again.error().message;
}

}  // namespace
}  // namespace taskstore
