% Rounds of four threads that count, until there is a file "finish".
:- use_module(library(thread)).
count(0, S, S) :- !.
count(N, S, R) :- N1 is N - 1, S1 is (S * 31 + N) mod 1000003, count(N1, S1, R).
round(100) :- !.
round(95) :- \+ exists_file(finish), !, sleep(0.1), round(95).
round(I) :-
    concurrent(4, [count(30000, 1, A), count(30001, 2, B), count(30002, 3, C), count(30003, 4, D)], []),
    format("round ~d ~d ~d ~d ~d~n", [I, A, B, C, D]), flush_output,
    I1 is I + 1, round(I1).
:- initialization((round(0), halt(10))).
