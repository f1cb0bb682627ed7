% multifibo.pl [COUNT]: one thread for each number from 1 to COUNT, the nth of which computes the nth Fibonacci number.
% Run by: swipl -g main multifibo.pl -- 20
% Exit status: 0 when every thread succeeded, 1 when any did not, 2 for a bad argument.

:- use_module(library(apply)).
:- use_module(library(lists)).
:- use_module(library(main)).

% Called by main/0 of library(main), which takes the words after -- from the command line.
main(Words) :-
    catch(run(Words, Status), Problem, (print_message(error, Problem), Status = 1)),
    halt(Status).

run(Words, Status) :-
    (   count(Words, Count)
    ->  compute_all(Count, Status)
    ;   format(user_error, "usage: swipl -g main multifibo.pl -- [COUNT]   (1 to 90, 20 if left out)~n", []),
        Status = 2
    ).

count([], 20).
count([Word], Count) :-
    atom_codes(Word, Codes),
    Codes = [_|_],
    forall(member(Code, Codes), between(0'0, 0'9, Code)),
    number_codes(Count, Codes),
    between(1, 90, Count).

compute_all(Count, Status) :-
    numlist(1, Count, Numbers),
    maplist(start, Numbers, Threads),
    maplist(finish, Numbers, Threads, Outcomes),
    (   forall(member(Outcome, Outcomes), Outcome == true)
    ->  line("Done!", []),
        Status = 0
    ;   Status = 1
    ).

start(Number, Thread) :-
    thread_create(compute(Number), Thread).

finish(Number, Thread, Outcome) :-
    thread_join(Thread, Outcome),
    (   Outcome == true
    ->  true
    ;   format(user_error, "~d -> ~p~n", [Number, Outcome])
    ).

compute(Number) :-
    fibonacci(Number, Value),
    line("~d -> ~d", [Number, Value]).

% One thread at a time writes, and what it wrote leaves at once: no torn lines, and output can be followed.
line(Format, Arguments) :-
    with_mutex(output,
               ( format(user_output, Format, Arguments),
                 nl(user_output),
                 flush_output(user_output) )).

fibonacci(N, 1) :-
    N < 2,
    !.
fibonacci(N, Value) :-
    Before is N - 1,
    Earlier is N - 2,
    fibonacci(Before, A),
    fibonacci(Earlier, B),
    Value is A + B.
